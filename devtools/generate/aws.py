"""The templates of deploy/aws/ that follow from the consumer groups: queues with their alarms, and scaling."""

from collections.abc import Iterator
from typing import NamedTuple

from devtools.generate.locations import WRITTEN
from social.contracts.events import Group
from social.infra.broker.broker import RETRY_DELAYS_S
from social.infra.broker.sqs_client import RETAINED_S, VISIBLE_AGAIN_S, SqsPlace
from social.infra.settings import PARTITIONS

NAME = "${Name}"  # the template's parameter, which is also the prefix in BROKER_URL
LATE_S = max(RETRY_DELAYS_S) + 300  # age of the oldest message at which an operator is to look; a retry waits, too
BACKLOG = 1_000  # messages of a group that wait, at which another worker is started
MOST_METRICS = 9  # CloudWatch computes an alarm from ten series at most, the sum included


class Tasks(NamedTuple):
    """The tasks of a service: the CPU (in 1/1024 of a core) and the memory (MiB) of each, and how many there are."""

    cpu: int
    memory: int
    least: int
    most: int


SIZES = {  # workers: at most one for each partition
    "small": {
        "nginx": Tasks(256, 512, 1, 2),
        "api": Tasks(512, 2048, 1, 4),
        "realtime": Tasks(512, 1024, 1, 4),
        "workers": Tasks(512, 1024, 1, PARTITIONS),
    },
    "medium": {
        "nginx": Tasks(512, 1024, 2, 4),
        "api": Tasks(1024, 2048, 2, 8),
        "realtime": Tasks(1024, 2048, 2, 8),
        "workers": Tasks(1024, 2048, 2, PARTITIONS),
    },
    "large": {
        "nginx": Tasks(1024, 2048, 2, 8),
        "api": Tasks(1024, 2048, 8, 40),
        "realtime": Tasks(1024, 4096, 6, 30),
        "workers": Tasks(1024, 2048, PARTITIONS, PARTITIONS),
    },
}

PARAMETERS = """
Parameters:
  Name:
    Description: Name of this installation, as in the stack of the network
    Type: String
    Default: plaza
    AllowedPattern: "[a-z][a-z0-9-]{0,19}"
"""


def templates() -> dict[str, str]:
    """Return the generated templates, content by name."""
    return {"queues.yml": queues(), "scaling.yml": scaling()}


def names(group: Group, partitions: int = PARTITIONS) -> list[str]:
    """Return the names of a group's queues, as processes derive them from the prefix."""
    return SqsPlace(region="", prefix=NAME).queues(partitions, [group])


def resource(queue: str) -> str:
    """Return the name of a queue within the template: `Notifications0` for `${Name}-notifications-0`."""
    return "".join(part.capitalize() for part in queue.removeprefix(f"{NAME}-").split("-"))


def queues(partitions: int = PARTITIONS) -> str:
    """Return the template of the queues: a standard queue for each partition of a group, and an alarm for each."""
    head = (
        f'{WRITTEN}AWSTemplateFormatVersion: "2010-09-09"\n'
        "Description: >-\n"
        "  Plaza, 3 of 6: a standard queue for each partition of a consumer group, and its alarm. Retries are copies\n"
        "  with a delay in the same queue, parked messages (dead letters) are rows in MongoDB: neither has a queue.\n"
    )
    return f"{head}{PARAMETERS}\nResources:\n" + "\n".join(
        _queue(queue) for group in Group for queue in names(group, partitions)
    )


def _queue(queue: str) -> str:
    name = resource(queue)
    return f"""  {name}:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      QueueName: !Sub "{queue}"
      MessageRetentionPeriod: {RETAINED_S} # the most there is; afterwards a message is lost without a word
      VisibilityTimeout: {VISIBLE_AGAIN_S}
      ReceiveMessageWaitTimeSeconds: 20
      SqsManagedSseEnabled: true
  {name}Late:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "{queue}-late"
      AlarmDescription: A message has waited for {LATE_S} s; docs/runbook.md, When something is wrong
      Namespace: AWS/SQS
      MetricName: ApproximateAgeOfOldestMessage
      Dimensions: [{{ Name: QueueName, Value: !GetAtt {name}.QueueName }}]
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 5
      Threshold: {LATE_S}
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: [{{ "Fn::ImportValue": !Sub "{NAME}-alarms" }}]
"""


def scaling(partitions: int = PARTITIONS) -> str:
    """Return the template of the services' scaling; raises ValueError where a group has too many partitions for it."""
    if partitions > MOST_METRICS:
        raise ValueError(f"CloudWatch adds up {MOST_METRICS} queues at most, and a group has {partitions}")
    return "".join(
        [SCALING.format(written=WRITTEN, parameters=PARAMETERS, mappings=_mappings()), *_by_backlog(partitions)]
    )


def _mappings() -> str:
    """Return how many tasks each service has at least and at most, by size."""
    lines = ["Mappings:"]
    for service in SIZES["small"]:
        lines.append(f"  {service.capitalize()}Size:")
        for size, tasks in SIZES.items():
            lines.append(f"    {size}: {{ Least: {tasks[service].least}, Most: {tasks[service].most} }}")
    return "\n".join([*lines, ""])


def _by_backlog(partitions: int) -> Iterator[str]:
    """Yield a policy for each group: one of them is enough to start a worker, and all must agree to stop one."""
    for group in Group:
        metrics = "".join(_waiting(number, queue) for number, queue in enumerate(names(group, partitions)))
        total = " + ".join(f"m{number}" for number in range(partitions))
        yield f"""  WorkersBy{group.capitalize()}:
    Type: AWS::ApplicationAutoScaling::ScalingPolicy
    Properties:
      PolicyName: !Sub "{NAME}-workers-{group}"
      PolicyType: TargetTrackingScaling
      ScalingTargetId: !Ref Workers
      TargetTrackingScalingPolicyConfiguration:
        TargetValue: {BACKLOG}
        ScaleOutCooldown: 60
        ScaleInCooldown: 600
        CustomizedMetricSpecification:
          Metrics:
{metrics}            - {{ Id: waiting, Expression: {total}, Label: messages that wait, ReturnData: true }}
"""


def _waiting(number: int, queue: str) -> str:
    return f"""            - Id: m{number}
              ReturnData: false
              MetricStat:
                Stat: Maximum
                Metric:
                  Namespace: AWS/SQS
                  MetricName: ApproximateNumberOfMessagesVisible
                  Dimensions: [{{ Name: QueueName, Value: !Sub "{queue}" }}]
"""


SCALING = """{written}AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  Plaza, 6 of 6: how many tasks each service has. nginx and the API follow their CPU, gateways their CPU and memory, and
  workers the messages that wait for them, up to one worker for each partition.
{parameters}  Size:
    Description: How many tasks there are at least and at most
    Type: String
    Default: small
    AllowedValues: [small, medium, large]

{mappings}
Resources:
  Nginx:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties:
      ServiceNamespace: ecs
      ScalableDimension: ecs:service:DesiredCount
      ResourceId: !Sub
        - service/${{Cluster}}/nginx
        - {{ Cluster: {{ "Fn::ImportValue": !Sub "${{Name}}-cluster" }} }}
      MinCapacity: !FindInMap [NginxSize, !Ref Size, Least]
      MaxCapacity: !FindInMap [NginxSize, !Ref Size, Most]
  NginxByCpu:
    Type: AWS::ApplicationAutoScaling::ScalingPolicy
    Properties:
      PolicyName: !Sub "${{Name}}-nginx-cpu"
      PolicyType: TargetTrackingScaling
      ScalingTargetId: !Ref Nginx
      TargetTrackingScalingPolicyConfiguration:
        TargetValue: 60
        ScaleOutCooldown: 60
        ScaleInCooldown: 300
        PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }}
  Api:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties:
      ServiceNamespace: ecs
      ScalableDimension: ecs:service:DesiredCount
      ResourceId: !Sub
        - service/${{Cluster}}/api
        - {{ Cluster: {{ "Fn::ImportValue": !Sub "${{Name}}-cluster" }} }}
      MinCapacity: !FindInMap [ApiSize, !Ref Size, Least]
      MaxCapacity: !FindInMap [ApiSize, !Ref Size, Most]
  ApiByCpu:
    Type: AWS::ApplicationAutoScaling::ScalingPolicy
    Properties:
      PolicyName: !Sub "${{Name}}-api-cpu"
      PolicyType: TargetTrackingScaling
      ScalingTargetId: !Ref Api
      TargetTrackingScalingPolicyConfiguration:
        TargetValue: 60
        ScaleOutCooldown: 60
        ScaleInCooldown: 300
        PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }}
  Realtime:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties:
      ServiceNamespace: ecs
      ScalableDimension: ecs:service:DesiredCount
      ResourceId: !Sub
        - service/${{Cluster}}/realtime
        - {{ Cluster: {{ "Fn::ImportValue": !Sub "${{Name}}-cluster" }} }}
      MinCapacity: !FindInMap [RealtimeSize, !Ref Size, Least]
      MaxCapacity: !FindInMap [RealtimeSize, !Ref Size, Most]
  RealtimeByCpu:
    Type: AWS::ApplicationAutoScaling::ScalingPolicy
    Properties:
      PolicyName: !Sub "${{Name}}-realtime-cpu"
      PolicyType: TargetTrackingScaling
      ScalingTargetId: !Ref Realtime
      TargetTrackingScalingPolicyConfiguration:
        TargetValue: 60
        ScaleOutCooldown: 60
        ScaleInCooldown: 900
        PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }}
  RealtimeByMemory:
    Type: AWS::ApplicationAutoScaling::ScalingPolicy
    Properties:
      PolicyName: !Sub "${{Name}}-realtime-memory"
      PolicyType: TargetTrackingScaling
      ScalingTargetId: !Ref Realtime
      TargetTrackingScalingPolicyConfiguration:
        TargetValue: 70
        ScaleOutCooldown: 60
        ScaleInCooldown: 900
        PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageMemoryUtilization }}
  Workers:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties:
      ServiceNamespace: ecs
      ScalableDimension: ecs:service:DesiredCount
      ResourceId: !Sub
        - service/${{Cluster}}/workers
        - {{ Cluster: {{ "Fn::ImportValue": !Sub "${{Name}}-cluster" }} }}
      MinCapacity: !FindInMap [WorkersSize, !Ref Size, Least]
      MaxCapacity: !FindInMap [WorkersSize, !Ref Size, Most]
"""
