"""deploy/aws/README.md and costs.md: commands that are not run name stacks, settings and commands that exist."""

import re
import shlex
import subprocess

import pytest
from support.cloudformation import FOLDER, ROOT, STACKS, commands, template
from support.documents import blocks
from support.image import stages

from devtools.generate import aws, aws_costs
from social.__main__ import parser

README = "deploy/aws/README.md"
BLOCKS = [block.text for block in blocks(README) if block.language == "sh"]
LINES = "\n".join(BLOCKS)
DEPLOYS = commands(VERSION="1.2.3", DOMAIN="plaza.example.org", CERTIFICATE="arn:aws:acm:x")
LARGEST = 51_200  # bytes of a template that no bucket is needed for


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_is_valid_shell(text: str) -> None:
    subprocess.run(["bash", "-nc", text], check=True)


def test_stacks_are_created_in_order_with_all_that_they_need() -> None:
    assert [each.stack for each in DEPLOYS[: len(STACKS)]] == list(STACKS)
    assert [each.stack for each in DEPLOYS[len(STACKS) :]] == ["cluster", "services"], "an upgrade"
    for number, each in enumerate(DEPLOYS):
        parameters = template(each.stack)["Parameters"]
        assert each.template == f"deploy/aws/{each.stack}.yml"
        assert each.parameters.keys() <= parameters.keys()
        required = {name for name, said in parameters.items() if "Default" not in said}
        assert number >= len(STACKS) or required <= each.parameters.keys()
        for name, value in each.parameters.items():
            assert re.fullmatch(parameters[name].get("AllowedPattern", ".*"), value)
            assert value in map(str, parameters[name].get("AllowedValues", [value]))
        makes_roles = any(made["Type"] == "AWS::IAM::Role" for made in template(each.stack)["Resources"].values())
        assert each.capabilities == (["CAPABILITY_IAM"] if makes_roles else [])


@pytest.mark.parametrize("stack", STACKS)
def test_a_template_is_small_enough_for_the_command(stack: str) -> None:
    assert (FOLDER / f"{stack}.yml").stat().st_size <= LARGEST


def test_every_secret_is_put_in_that_no_machine_makes() -> None:
    made = {
        str(each["Properties"]["Name"]["Fn::Sub"]).removeprefix("${Name}/"): each["Properties"]
        for each in template("data")["Resources"].values()
        if each["Type"] == "AWS::SecretsManager::Secret"
    }
    assert len(made) == aws_costs.SECRETS
    by_hand = {name for name, each in made.items() if each.get("GenerateSecretString") == {}}
    assert set(re.findall(r"\bput ([A-Z_]+)", LINES)) == by_hand


def test_images_and_outputs_are_there() -> None:
    assert set(re.findall(r"for target in ([a-z ]+);", LINES)[0].split()) < set(stages())
    for stack, name in re.findall(r"^output plaza-(\w+) (\w+)", LINES, re.M):
        assert name in template(stack)["Outputs"]
    exports = {
        str(each["Export"]["Name"]["Fn::Sub"])
        for stack in STACKS
        for each in template(stack).get("Outputs", {}).values()
        if "Export" in each
    }
    page = (ROOT / README).read_text()
    for name in set(re.findall(r"\$\(exported ([a-z-]+)\)", page)):
        assert f"${{Name}}-{name}" in exports
    assert {f"${{Name}}-{name}-group" for name in ("api", "realtime", "workers")} < exports


def test_commands_of_the_operator_exist() -> None:
    page = (ROOT / README).read_text()
    said = re.findall(r"python -m social ([^&`\n]+)", LINES) + re.findall(r"^operator ([a-z].*)$", LINES, re.M)
    said += re.findall(r"`operator ([a-z][^`…]+)`", page)
    assert len(said) >= 6
    for words in said:
        parser().parse_args(shlex.split(words))
    for process in re.findall(r"^doctor (\w+)$", LINES, re.M):
        parser().parse_args(["doctor", "--process", process])


def test_sizes_are_equal_wherever_they_are_said() -> None:
    assert set(aws.SIZES) == set(aws_costs.USES) == set(template("services")["Parameters"]["Size"]["AllowedValues"])
    for size, services in aws.SIZES.items():
        for service, tasks in services.items():
            here = template("services")["Mappings"][f"{service.capitalize()}Size"][size]
            assert here == {"Cpu": str(tasks.cpu), "Memory": str(tasks.memory)}
            assert template("scaling")["Mappings"][f"{service.capitalize()}Size"][size] == {
                "Least": tasks.least,
                "Most": tasks.most,
            }


def test_a_task_has_a_size_that_fargate_knows() -> None:
    memory = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192)}
    for services in aws.SIZES.values():
        for tasks in services.values():
            least, most = memory[tasks.cpu]
            assert least <= tasks.memory <= most
            assert tasks.least <= tasks.most


def test_the_readme_rounds_the_sums_of_the_table() -> None:
    sums = [sum(cost for _, _, cost in aws_costs.items(size)) for size in aws.SIZES]
    said = re.findall(r"about ([\d,]+), ([\d,]+) or ([\d,]+) dollars", (ROOT / README).read_text())[0]
    for each, total in zip(said, sums, strict=True):
        assert abs(int(each.replace(",", "")) / total - 1) < 0.03


def test_costs_follow_prices_and_counts() -> None:
    """Fargate by hand: 1.75 cores and 4.5 GB for 730 hours."""
    small = {name: cost for name, _, cost in aws_costs.items("small")}
    assert small["Fargate"] == pytest.approx(730 * (1.75 * 0.04048 + 4.5 * 0.004445))
    assert small["SQS"] == pytest.approx(0.40 * (5 * 6.5 + 24 * 730 * 3600 * (1 / 20 + 1 / 60) / 1e6 - 1))
    assert aws_costs.saved("small") == pytest.approx(730 * (1.75 * 0.0081 + 4.5 * 0.000885))


def test_alarms_are_counted_as_the_templates_have_them() -> None:
    every = [each for stack in STACKS for each in template(stack)["Resources"].values()]
    ours = len([each for each in every if each["Type"] == "AWS::CloudWatch::Alarm"])
    policies = [each["Properties"] for each in every if each["Type"] == "AWS::ApplicationAutoScaling::ScalingPolicy"]
    specifications = [
        each["TargetTrackingScalingPolicyConfiguration"].get("CustomizedMetricSpecification") for each in policies
    ]
    read = sum(len(each["Metrics"]) - 1 if each else 1 for each in specifications)
    assert aws_costs.alarm_metrics() == ours + 2 * read
