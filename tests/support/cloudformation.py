"""The templates of deploy/aws/, created in moto's AWS in this process.

Where moto has a service and no CloudFormation for it, the resource is created by the service's own API with the
properties as CloudFormation resolves them, so that botocore checks their names and types. Only what creates a
template imports moto, which takes longer than to collect all other tests of deploy/.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import yaml

if TYPE_CHECKING:
    from moto.core.common_models import CloudFormationModel

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "aws"
STACKS = ("network", "data", "queues", "cluster", "services", "scaling")  # in this order
REGION, ACCOUNT = "eu-central-1", "123456789012"

Properties = dict[str, Any]
Maker = Callable[[Properties], tuple[str, Properties]]  # the id of what was made, and its attributes


def text(stack: str) -> str:
    """Return a template."""
    return (FOLDER / f"{stack}.yml").read_text()


class Loader(yaml.CSafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def long_form(loader: Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    """Return the long form of a function whose short form is a tag."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


Loader.add_multi_constructor("!", long_form)


@cache
def template(stack: str) -> dict[str, Any]:
    """Return a template, with its functions in their long form."""
    loaded: dict[str, Any] = yaml.load(text(stack), Loader)
    return loaded


class Deploy(NamedTuple):
    """A command of README.md that creates a stack or changes it."""

    stack: str
    template: str
    parameters: dict[str, str]
    capabilities: list[str]


def commands(**variables: str) -> list[Deploy]:
    """Return the commands in README.md that create stacks or change them, with these variables of the shell."""
    found = []
    for line in (FOLDER / "README.md").read_text().splitlines():
        if line.startswith("aws cloudformation deploy "):
            words = shlex.split(re.sub(r"\$(\w+)", lambda name: variables[name[1]], line))[3:]
            options: dict[str, list[str]] = {}
            for word in words:
                if word.startswith("--"):
                    options[word] = []
                else:
                    options[list(options)[-1]].append(word)
            (stack,), (file,) = options.pop("--stack-name"), options.pop("--template-file")
            given = dict(each.split("=", 1) for each in options.pop("--parameter-overrides", []))
            found.append(Deploy(stack.removeprefix("plaza-"), file, given, options.pop("--capabilities", [])))
            assert not options, line
    return found


@contextmanager
def created() -> Iterator["Account"]:
    """Create all stacks in an empty account, as the commands of README.md do."""
    import moto
    from moto.cloudformation import parsing

    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": REGION}
    with patch.dict("os.environ", environment), moto.mock_aws():
        account = Account()
        models = {kind: _model(kind, maker) for kind, maker in MAKERS.items()}
        with patch.dict(parsing.get_model_map(), models):
            certificate = _client("acm").request_certificate(DomainName="plaza.example.org")["CertificateArn"]
            steps = commands(VERSION="1.2.3", DOMAIN="plaza.example.org", CERTIFICATE=certificate)
            for step in steps[: len(STACKS)]:
                account.create(step)
            yield account


class Account:
    """An account of AWS with the stacks in it."""

    def __init__(self) -> None:
        self.cloudformation = _client("cloudformation")

    def create(self, step: Deploy) -> None:
        """Create a stack; raises where that fails."""
        name = f"plaza-{step.stack}"
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in step.parameters.items()]
        body = (ROOT / step.template).read_text()
        self.cloudformation.create_stack(
            StackName=name, TemplateBody=body, Parameters=given, Capabilities=step.capabilities
        )
        (made,) = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert made["StackStatus"] == "CREATE_COMPLETE", made

    def resources(self, stack: str) -> dict[str, dict[str, Any]]:
        """Return what a stack made, by its name within the template."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=f"plaza-{stack}")
        return {each["LogicalResourceId"]: each for page in pages for each in page["StackResourceSummaries"]}

    def outputs(self, stack: str) -> dict[str, str]:
        """Return the outputs of a stack."""
        (made,) = self.cloudformation.describe_stacks(StackName=f"plaza-{stack}")["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in made["Outputs"]}


def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def _alarm(given: Properties) -> tuple[str, Properties]:
    for each in given.get("Dimensions", ()):
        if not isinstance(each["Value"], str):
            each["Value"] = "app/plaza"  # moto does not know LoadBalancerFullName
    _client("cloudwatch").put_metric_alarm(**given)
    return given["AlarmName"], {}


def _metric_filter(given: Properties) -> tuple[str, Properties]:
    changes = [{_small(key): value for key, value in each.items()} for each in given["MetricTransformations"]]
    _client("logs").put_metric_filter(
        filterName="parked",
        logGroupName=given["LogGroupName"],
        filterPattern=given["FilterPattern"],
        metricTransformations=changes,
    )
    return "parked", {}


def _small(name: str) -> str:
    return name[0].lower() + name[1:]


def _secret(given: Properties) -> tuple[str, Properties]:
    client = _client("secretsmanager")
    length = given.get("GenerateSecretString", {}).get("PasswordLength", 32)
    value = given.get("SecretString") or client.get_random_password(PasswordLength=length)["RandomPassword"]
    arn = client.create_secret(Name=given["Name"], SecretString=value)["ARN"]
    return arn, {"Id": arn}


def _bucket_policy(given: Properties) -> tuple[str, Properties]:
    policy = json.dumps(given["PolicyDocument"])
    _client("s3").put_bucket_policy(Bucket=given["Bucket"], Policy=policy)
    return given["Bucket"], {}


def _subnet_group(given: Properties) -> tuple[str, Properties]:
    name, description = given["CacheSubnetGroupName"], given["Description"]
    _client("elasticache").create_cache_subnet_group(
        CacheSubnetGroupName=name, CacheSubnetGroupDescription=description, SubnetIds=given["SubnetIds"]
    )
    return name, {}


def _parameter_group(given: Properties) -> tuple[str, Properties]:
    return "plaza-parameters", {}  # moto has none


def _redis(given: Properties) -> tuple[str, Properties]:
    made = _client("elasticache").create_replication_group(**given)["ReplicationGroup"]
    return made["ReplicationGroupId"], {"PrimaryEndPoint": "redis.cache.example"}  # moto drops `.Address`


def _namespace(given: Properties) -> tuple[str, Properties]:
    client = _client("servicediscovery")
    client.create_private_dns_namespace(**given, CreatorRequestId="x")
    (made,) = client.list_namespaces()["Namespaces"]
    return made["Id"], {"Arn": made["Arn"]}


def _name(given: Properties) -> tuple[str, Properties]:
    made = _client("servicediscovery").create_service(**given)["Service"]
    return made["Id"], {"Arn": made["Arn"]}


def _scalable(given: Properties) -> tuple[str, Properties]:
    _client("application-autoscaling").register_scalable_target(**given)
    return "|".join(given[part] for part in ("ResourceId", "ScalableDimension", "ServiceNamespace")), {}


def _policy(given: Properties) -> tuple[str, Properties]:
    resource, dimension, namespace = given.pop("ScalingTargetId").split("|")
    made = _client("application-autoscaling").put_scaling_policy(
        PolicyName=given["PolicyName"],
        PolicyType=given["PolicyType"],
        ResourceId=resource,
        ScalableDimension=dimension,
        ServiceNamespace=namespace,
        TargetTrackingScalingPolicyConfiguration=given["TargetTrackingScalingPolicyConfiguration"],
    )
    return made["PolicyARN"], {}


MAKERS: dict[str, Maker] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _scalable,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _policy,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::ElastiCache::ParameterGroup": _parameter_group,
    "AWS::ElastiCache::ReplicationGroup": _redis,
    "AWS::ElastiCache::SubnetGroup": _subnet_group,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::ServiceDiscovery::PrivateDnsNamespace": _namespace,
    "AWS::ServiceDiscovery::Service": _name,
}


class Made:
    """A resource that a maker made."""

    def __init__(self, kind: str, name: str, made: tuple[str, Properties]) -> None:
        self.type, self.logical_resource_id, self.physical_resource_id = kind, name, made[0]
        self.attributes = made[1]

    def is_created(self) -> bool:
        """Return whether it is there."""
        return True

    def get_cfn_attribute(self, name: str) -> Any:
        """Return what GetAtt asks for."""
        return self.attributes[name]


def _model(kind: str, maker: Maker) -> "type[CloudFormationModel]":
    from moto.core.common_models import CloudFormationModel

    class Model(CloudFormationModel):
        """The resource for moto's CloudFormation."""

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Properties, *_: Any, **__: Any
        ) -> Any:
            return Made(kind, resource_name, maker(dict(cloudformation_json["Properties"])))

    return Model
