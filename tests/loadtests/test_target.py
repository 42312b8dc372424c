"""Loads go to this machine, or to a host that is allowed by name."""

import pytest

from loadtests.target import Refused, check


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1", "http://127.3.2.1:1", "http://[::1]:80"])
def test_this_machine_is_always_allowed(url):
    check(url)


@pytest.mark.parametrize("url", ["http://192.0.2.1", "https://host.invalid", "http://0.0.0.0", "http://[2001:db8::1]"])
def test_others_are_refused_with_what_to_say(url):
    with pytest.raises(Refused, match="ALLOW="):
        check(url)


def test_one_host_is_allowed_by_its_name_and_no_other():
    check("https://host.invalid:8443/path", "host.invalid")
    with pytest.raises(Refused):
        check("https://other.invalid", "host.invalid")


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://localhost", "http://"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(Refused, match="no http"):
        check(url)
