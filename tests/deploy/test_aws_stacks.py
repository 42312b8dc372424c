"""deploy/aws/: the stacks are created in moto's AWS, one after another, in an empty account."""

import warnings
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from support.cloudformation import STACKS, Account, Deploy, created, template

from social.contracts.events import Group
from social.infra.broker.sqs_client import SqsPlace
from social.infra.settings import PARTITIONS

SERVICES = {"api", "realtime", "workers", "nginx"}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """An account in which all stacks were created."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moto's own
        with created() as account:
            yield account


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_of_a_stack_is_created(account: Account, stack: str) -> None:
    made = account.resources(stack)
    conditional = {name for name, each in template(stack)["Resources"].items() if "Condition" in each}
    expected = set(template(stack)["Resources"]) - conditional
    assert set(made) - {""} == expected
    assert {made[name]["ResourceStatus"] for name in expected} == {"CREATE_COMPLETE"}


def test_each_zone_may_have_a_nat_gateway_in_a_second_installation(account: Account) -> None:
    parameters = {"Name": "other", "VpcNumber": "9", "NatGateways": "each"}
    account.create(Deploy("network-of-other", "deploy/aws/network.yml", parameters, []))
    gateways = boto3.client("ec2").describe_nat_gateways()["NatGateways"]
    assert len({each["SubnetId"] for each in gateways}) == 3
    first, second = account.outputs("network-of-other")["NatAddresses"].split(",")
    assert first != second


def test_the_queues_are_those_that_processes_look_for(account: Account) -> None:
    client = boto3.client("sqs")
    there = [each.rpartition("/")[2] for each in client.list_queues()["QueueUrls"]]
    assert sorted(there) == sorted(SqsPlace("eu-central-1", "plaza").queues(PARTITIONS))
    attributes = client.get_queue_attributes(QueueUrl=there[0], AttributeNames=["All"])["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "1209600"


def test_the_services_run_their_tasks(account: Account) -> None:
    client = boto3.client("ecs")
    (cluster,) = client.list_clusters()["clusterArns"]
    found = client.describe_services(cluster=cluster, services=sorted(SERVICES))["services"]
    assert {each["serviceName"] for each in found} == SERVICES
    for each in found:
        (container,) = definition(each["taskDefinition"])["containerDefinitions"]
        name = each["serviceName"]
        registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
        assert container["image"] == f"{registry}/plaza-{name}:1.2.3"
        assert all(secret["valueFrom"].startswith("arn:aws:secretsmanager:") for secret in container.get("secrets", ()))
        for variable in container["environment"]:
            assert "${" not in variable["value"]
    repositories = {each["repositoryName"] for each in boto3.client("ecr").describe_repositories()["repositories"]}
    assert repositories == {f"plaza-{name}" for name in (*SERVICES, "operator")}


def definition(arn: str) -> dict[str, Any]:
    """Return a task definition."""
    return dict(boto3.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"])


def test_migrate_is_a_task_by_itself(account: Account) -> None:
    (container,) = definition(account.outputs("cluster")["Operator"])["containerDefinitions"]
    assert container["command"][0] == "migrate"
    assert container["image"].endswith("/plaza-operator:1.2.3")


def test_alarms_watch_every_queue_and_parked_messages(account: Account) -> None:
    alarms = {each["AlarmName"]: each for each in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    queues = SqsPlace("eu-central-1", "plaza").queues(PARTITIONS)
    late = {f"{queue}-late": queue for queue in queues}
    assert late.keys() | {"plaza-parked", "plaza-errors"} <= alarms.keys()
    for name, queue in late.items():
        assert alarms[name]["MetricName"] == "ApproximateAgeOfOldestMessage"
        assert alarms[name]["Dimensions"] == [{"Name": "QueueName", "Value": queue}]
    (topic,) = boto3.client("sns").list_topics()["Topics"]
    assert all(each["AlarmActions"] == [topic["TopicArn"]] for name, each in alarms.items() if name in late)
    (found,) = boto3.client("logs").describe_metric_filters()["metricFilters"]
    assert found["filterPattern"] == '{ $.event = "event parked" }'
    assert found["logGroupName"] == "/plaza/workers"
    (change,) = found["metricTransformations"]
    parked = alarms["plaza-parked"]
    assert (change["metricNamespace"], change["metricName"]) == (parked["Namespace"], parked["MetricName"])


def test_each_service_is_scaled(account: Account) -> None:
    client = boto3.client("application-autoscaling")
    targets = client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert {each["ResourceId"] for each in targets} == {f"service/plaza/{name}" for name in SERVICES}
    policies = client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    by = {name: [each for each in policies if each["ResourceId"].endswith(f"/{name}")] for name in SERVICES}
    assert {name: len(some) for name, some in by.items()} == {
        "nginx": 1,
        "api": 1,
        "realtime": 2,
        "workers": len(Group),
    }


def test_names_that_nginx_looks_for_are_registered(account: Account) -> None:
    client = boto3.client("servicediscovery")
    (namespace,) = client.list_namespaces()["Namespaces"]
    assert namespace["Name"] == "plaza.internal"
    assert {each["Name"] for each in client.list_services()["Services"]} == {"api", "realtime"}


def test_pictures_are_nobodys_but_ours(account: Account) -> None:
    client = boto3.client("s3")
    (bucket,) = client.list_buckets()["Buckets"]
    assert bucket["Name"] == "plaza-pictures-123456789012-eu-central-1"
    assert all(template("data")["Resources"]["Pictures"]["Properties"]["PublicAccessBlockConfiguration"].values())
    assert "aws:SecureTransport" in client.get_bucket_policy(Bucket=bucket["Name"])["Policy"]


def test_redis_is_one_that_our_scripts_run_on(account: Account) -> None:
    (group,) = boto3.client("elasticache").describe_replication_groups()["ReplicationGroups"]
    assert group["ClusterEnabled"] is False
    assert group["TransitEncryptionEnabled"] is True
    url = boto3.client("secretsmanager").get_secret_value(SecretId="plaza/REDIS_URL")["SecretString"]
    assert url.startswith("rediss://:{{resolve:secretsmanager:")
    assert url.endswith("@redis.cache.example:6379/0")
