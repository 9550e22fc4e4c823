from __future__ import annotations

from ipaddress import ip_address

import pytest

from localai.network.addresses import is_public, resolve_host


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_the_public_internet_may_be_reached(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1",
        "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "2002:a9fe:a9fe::1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "64:ff9b::a83f:8110",
        "::127.0.0.1", "::ffff:0:7f00:1", "::ffff:8.8.8.8", "fec0::1", "3fff::1", "5f00::1",
        "4000::1", "100::1", "2001::1", "2002:a83f:8110::1",
        "168.63.129.16", "192.0.0.192", "192.88.99.1",
    ],
)  # fmt: skip
def test_everything_else_may_not(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
async def test_odd_spellings_of_this_machine_are_seen_through(host: str) -> None:
    addresses = await resolve_host(host, 80)
    assert addresses
    assert not any(map(is_public, addresses))
