"""deploy/aws/: the templates are valid, hold no secret, allow no more than is needed, and agree with the code."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cloudformation import FOLDER, ROOT, STACKS, template

from devtools.generate import aws
from devtools.generate.nginx import AWS, render
from devtools.generate.settings import absent, names_of
from social.contracts.events import Group
from social.infra.broker.sqs_client import ATTRIBUTES, SqsPlace
from social.infra.settings import PARTITIONS

SERVICES = ("api", "realtime", "workers", "nginx")
PROCESSES = ("api", "realtime", "workers")
LONGEST_STOP_S = 120  # of Fargate, which cfn-lint does not know
AFTER_DRAIN_S = 10  # docs/runbook.md, Stop and drain


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of every resource of a kind."""
    found = {}
    for stack in STACKS:
        for name, each in template(stack)["Resources"].items():
            if each["Type"] == kind:
                found[name] = each["Properties"]
    return found


def tasks() -> dict[str, dict[str, Any]]:
    """Return each task definition, by the name of its container."""
    return {each["ContainerDefinitions"][0]["Name"]: each for each in resources("AWS::ECS::TaskDefinition").values()}


def container(name: str) -> dict[str, Any]:
    """Return the container of a task, which is its only one."""
    (only,) = tasks()[name]["ContainerDefinitions"]
    return dict(only)


def variables(name: str) -> dict[str, Any]:
    """Return the variables of a container, secrets included."""
    here = container(name)
    plain = {each["Name"]: each["Value"] for each in here.get("Environment", ())}
    return plain | {each["Name"]: each["ValueFrom"] for each in here.get("Secrets", ())}


def test_cfn_lint_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    files = sorted(FOLDER.glob("*.yml"))
    assert {each.stem for each in files} == set(STACKS)
    done = subprocess.run([linter, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_cfn_lint_would_find_something(tmp_path: Path) -> None:
    wrong = (FOLDER / "cluster.yml").read_text().replace("NetworkMode: awsvpc", "NetworkMode: everywhere")
    (tmp_path / "cluster.yml").write_text(wrong)
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([linter, tmp_path / "cluster.yml"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "'everywhere' is not one of" in done.stdout


def test_the_generated_templates_name_every_queue_that_processes_use() -> None:
    names = [each["QueueName"]["Fn::Sub"] for each in resources("AWS::SQS::Queue").values()]
    assert [each.replace("${Name}", "plaza") for each in names] == SqsPlace("eu-central-1", "plaza").queues(PARTITIONS)
    for each in resources("AWS::SQS::Queue").values():
        assert {name: str(each[name]) for name in ATTRIBUTES} == ATTRIBUTES
        assert each["SqsManagedSseEnabled"] is True


def test_another_number_of_partitions_has_templates_too() -> None:
    names = re.findall(r'QueueName: !Sub "\$\{Name\}-(\S+)"', aws.queues(9))
    assert sorted(names) == sorted(f"{group}-{number}" for group in Group for number in range(9))
    assert aws.scaling(9).count("Id: m8") == len(Group)
    with pytest.raises(ValueError, match="9 queues at most, and a group has 10"):
        aws.scaling(10)


def test_workers_are_scaled_by_the_messages_of_every_group() -> None:
    policies = resources("AWS::ApplicationAutoScaling::ScalingPolicy")
    for group in Group:
        by = policies[f"WorkersBy{group.capitalize()}"]["TargetTrackingScalingPolicyConfiguration"]
        *queues, total = by["CustomizedMetricSpecification"]["Metrics"]
        watched = [each["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Fn::Sub"] for each in queues]
        assert watched == aws.names(group)
        assert total["Expression"] == " + ".join(each["Id"] for each in queues)
        assert [each["ReturnData"] for each in (*queues, total)] == [False] * len(queues) + [True]
    most = {size: each["Most"] for size, each in template("scaling")["Mappings"]["WorkersSize"].items()}
    assert set(most.values()) == {PARTITIONS}, "a worker without a partition has nothing to do"


@pytest.mark.parametrize("name", PROCESSES)
def test_every_variable_is_a_setting_and_every_required_setting_is_there(name: str) -> None:
    given = variables(name)
    assert set(given) <= names_of(name)
    assert absent(name, given) == set()
    assert container(name)["EntryPoint"] == ["python", "-m"]
    assert container(name)["Command"] == [name]


def test_the_operators_variables_are_settings() -> None:
    assert set(variables("operator")) <= names_of("social")
    assert absent("social", variables("operator")) == set()
    assert container("operator")["Command"][0] == "migrate"


def test_what_processes_must_agree_on_is_equal() -> None:
    for name in ("BROKER_URL", "WORKER_PARTITIONS", "MONGO_URL", "REDIS_URL"):
        assert len({json.dumps(variables(each)[name]) for each in PROCESSES}) == 1, name
    assert variables("api")["WORKER_PARTITIONS"] == str(PARTITIONS)
    assert variables("api")["BROKER_URL"] == variables("operator")["BROKER_URL"]
    assert variables("api")["BROKER_URL"] == {"Fn::Sub": "sqs://${AWS::Region}?prefix=${Name}"}
    assert variables("api")["MEDIA_URL"] == variables("workers")["MEDIA_URL"]
    assert variables("realtime")["NODE_NAME"] == "ip"
    assert variables("realtime")["REALTIME_ENGINE"] == {"Fn::If": ["Portable", "portable", "native"]}


SECRETS = {
    "api": {"MONGO_URL", "REDIS_URL", "JWT_PRIVATE_KEY", "REFRESH_KEY", "JWKS"},
    "realtime": {"MONGO_URL", "REDIS_URL", "JWKS", "PID_KEY"},
    "workers": {"MONGO_URL", "REDIS_URL", "MAILER_URL"},
    "operator": {"MONGO_URL", "REDIS_URL"},
    "nginx": set(),
}


def imported(value: Any) -> str:
    """Return the export that a value is, without the name of the installation."""
    return str(value["Fn::ImportValue"]["Fn::Sub"]).removeprefix("${Name}-")


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_come_from_secrets_manager_and_only_to_who_needs_them(name: str) -> None:
    secret = {each["Name"]: imported(each["ValueFrom"]) for each in container(name).get("Secrets", ())}
    assert set(secret) == SECRETS[name]
    assert all(export == variable.lower().replace("_", "-") for variable, export in secret.items())
    assert not SECRETS[name] & {each["Name"] for each in container(name).get("Environment", ())}
    role = resources("AWS::IAM::Role")[f"{name.capitalize()}Execution"]
    allowed = [
        imported(resource)
        for statement in statements(role)
        if statement["Action"] == "secretsmanager:GetSecretValue"
        for resource in statement["Resource"]
    ]
    assert sorted(allowed) == sorted(secret.values())


def test_no_value_of_a_secret_is_in_a_template() -> None:
    for each in resources("AWS::SecretsManager::Secret").values():
        value = each.get("SecretString", {}).get("Fn::Sub", "")
        assert "GenerateSecretString" in each or "{{resolve:secretsmanager:" in value
    for stack in STACKS:
        for parameter in template(stack)["Parameters"]:
            assert not re.search(r"(?i)password|secret|key|token|url", parameter), "it would be readable in the console"
        assert not re.search(r"AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY", (FOLDER / f"{stack}.yml").read_text())


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a role allows."""
    return [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(name: str, service: str) -> set[str]:
    """Return the actions of a service of AWS that a process may call."""
    role = resources("AWS::IAM::Role")[f"{name.capitalize()}Role"]
    actions = {action for each in statements(role) for action in listed(each["Action"])}
    return {action.partition(":")[2] for action in actions if action.startswith(f"{service}:")}


@pytest.mark.parametrize("name", resources("AWS::IAM::Role"))
def test_a_role_allows_named_actions_on_named_resources(name: str) -> None:
    role = resources("AWS::IAM::Role")[name]
    assert "ManagedPolicyArns" not in role
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert "aws:SourceAccount" in trust["Condition"]["StringEquals"]
    for each in statements(role):
        actions = listed(each["Action"])
        assert each["Effect"] == "Allow"
        assert not any("*" in action for action in actions)
        if actions == ["ecr:GetAuthorizationToken"]:
            assert each["Resource"] == "*"  # the action has no resource
            continue
        for resource in listed(each["Resource"]):
            text = json.dumps(resource)
            assert "${Name}" in text or "Fn::GetAtt" in text, text
            assert text != '"*"'


def called(pattern: str, folder: str) -> set[str]:
    """Return the operations of AWS's library that the code names, as IAM calls them."""
    text = "".join(each.read_text() for each in sorted((ROOT / "social/infra" / folder).glob("*.py")))
    operations = set(re.findall(pattern, text))
    assert operations
    camel = {"".join(part.capitalize() for part in each.removesuffix("_batch").split("_")) for each in operations}
    return {"ListBucket" if each == "ListObjectsV2" else each for each in camel}


def policy(name: str) -> set[str]:
    """Return the actions of a policy that tests/workers/test_sqs.py holds to what processes ask for."""
    (statement,) = json.loads((FOLDER / f"sqs-{name}.json").read_text())["Statement"]
    return {action.removeprefix("sqs:") for action in statement["Action"]}


def test_processes_may_ask_sqs_what_they_ask() -> None:
    """Publishers may also read the attributes of queues, for the doctor; no process may make a queue."""
    assert allowed("workers", "sqs") == policy("worker")
    for name in ("api", "realtime"):
        assert allowed(name, "sqs") == policy("publisher") | {"GetQueueAttributes"}
    assert allowed("operator", "sqs") == policy("publisher")


@pytest.mark.parametrize("name", ["api", "realtime", "workers", "operator"])
def test_an_installation_may_not_use_the_queues_of_another_whose_name_begins_with_its_name(name: str) -> None:
    role = resources("AWS::IAM::Role")[f"{name.capitalize()}Role"]
    (queues,) = [each["Resource"] for each in statements(role) if "sqs:SendMessage" in listed(each["Action"])]
    queue = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${Name}"
    assert queues == [{"Fn::Sub": f"{queue}-{group}-*"} for group in Group]


def test_processes_that_keep_pictures_may_call_what_the_code_of_the_store_calls() -> None:
    for name in ("api", "workers"):
        assert allowed(name, "s3") == called(r'\._ask\("(\w+)"', "files")
    assert allowed("realtime", "s3") == allowed("operator", "s3") == set()


@pytest.mark.parametrize("name", [*SERVICES, "operator"])
def test_a_task_may_do_little(name: str) -> None:
    task, here = tasks()[name], container(name)
    assert (task["RequiresCompatibilities"], task["NetworkMode"]) == (["FARGATE"], "awsvpc")
    assert task["RuntimePlatform"]["CpuArchitecture"] == {"Ref": "Architecture"}
    assert not here["User"].startswith("0")
    assert here["ReadonlyRootFilesystem"] is True
    assert here["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert [each["ContainerPath"] for each in here["LinuxParameters"]["Tmpfs"]] == ["/tmp"]
    assert not here.get("Privileged")
    assert here["LogConfiguration"]["LogDriver"] == "awslogs"
    assert "${Version}" in here["Image"]["Fn::Sub"]
    assert "latest" not in json.dumps(here["Image"])


@pytest.mark.parametrize("name", [*SERVICES, "operator"])
def test_a_task_has_the_time_that_it_drains_for(name: str) -> None:
    stop = container(name)["StopTimeout"]
    drain = int(str(variables(name).get("DRAIN_S", 20)))
    assert drain + AFTER_DRAIN_S <= stop <= LONGEST_STOP_S


def test_sockets_outlive_a_heartbeat_and_the_replacement_of_nginx() -> None:
    (balancer,) = resources("AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    (targets,) = resources("AWS::ElasticLoadBalancingV2::TargetGroup").values()
    delays = {each["Key"]: each["Value"] for each in targets["TargetGroupAttributes"]}
    idle = int(attributes["idle_timeout.timeout_seconds"])
    locations = (ROOT / "nginx/locations.conf").read_text() + (ROOT / "nginx/sockets.conf").read_text()
    assert idle > max(map(int, re.findall(r"proxy_read_timeout (\d+)s;", locations))), "nginx gives up first"
    (kept,) = re.findall(r"keepalive_timeout (\d+)s;\n    keepalive_requests", render(AWS))
    assert int(kept) > idle, "nginx must not close a connection that the balancer is about to use"
    drain = int(variables("realtime")["DRAIN_S"])
    assert int(delays["deregistration_delay.timeout_seconds"]) >= drain
    assert "stickiness.enabled" not in delays, "session ids name their gateway"


@pytest.mark.parametrize("name", SERVICES)
def test_a_bad_deployment_is_rolled_back(name: str) -> None:
    service = resources("AWS::ECS::Service")[name.capitalize()]
    how = service["DeploymentConfiguration"]
    assert how["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (how["MinimumHealthyPercent"], how["MaximumPercent"]) == (100, 200)
    assert "DesiredCount" not in service, "an update would undo what scaling did"
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert [imported(each) for each in network["SecurityGroups"]] == [f"{name}-group"]
    if name != "nginx":
        check = container(name)["HealthCheck"]["Command"]
        port = str(container(name)["PortMappings"][0]["ContainerPort"])
        assert check == ["CMD", "python", "-m", "social.infra.process.healthy", port, "--alive"]


def test_nginx_reaches_gateways_alone_on_the_port_that_session_ids_lead_to() -> None:
    groups = resources("AWS::EC2::SecurityGroup")
    leads = [each for each in groups["NginxGroup"]["SecurityGroupEgress"] if each["FromPort"] <= 8081 <= each["ToPort"]]
    assert [each["DestinationSecurityGroupId"] for each in leads] == [{"Ref": "RealtimeGroup"}]
    for name, each in groups.items():
        assert each["SecurityGroupEgress"], "without a rule everything may be reached"
        opened = [rule for rule in each.get("SecurityGroupIngress", ()) if rule.get("CidrIp")]
        assert bool(opened) == (name == "BalancerGroup")


def test_what_holds_data_outlives_its_stack() -> None:
    for stack in STACKS:
        for name, each in template(stack)["Resources"].items():
            if each["Type"] in ("AWS::S3::Bucket", "AWS::SQS::Queue") or name in ("MongoUrl", "JwtPrivateKey"):
                assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain", name


def test_nginx_is_the_version_of_compose() -> None:
    compose = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]["nginx"]["image"]
    dockerfile = (FOLDER / "nginx/Dockerfile").read_text()
    assert f"\nARG NGINX={compose}\n" in dockerfile
    linter = Path(sys.executable).with_name("hadolint")
    subprocess.run([linter, FOLDER / "nginx/Dockerfile"], check=True)
    copied = re.findall(r"^COPY (\S+) ", dockerfile, re.M)
    ignored = (FOLDER / "nginx/Dockerfile.dockerignore").read_text().split("\n")
    assert [each[1:] for each in ignored if each.startswith("!")] == copied
    assert all(list(ROOT.glob(each)) for each in copied)
