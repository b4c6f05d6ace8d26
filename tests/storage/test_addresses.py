import re
from pathlib import Path

import pytest

from quantray.errors import InputError
from quantray.storage.addresses import local_folder, store_address


@pytest.mark.parametrize("name", ["a%20b", "a\\b"])
def test_what_would_be_lost_is_refused_with_the_character(tmp_path, name):
    lost = re.escape(repr(re.search(r"[^a-z0-9](20)?", name)[0]))
    with pytest.raises(InputError, match=f"loses {lost} in the name of a folder; name one without"):
        store_address(tmp_path / name)
    # A plain name that leads there is no way around it.
    (tmp_path / name).mkdir()
    (tmp_path / "plain").symlink_to(tmp_path / name)
    with pytest.raises(InputError, match="cannot hold a store"):
        store_address(tmp_path / "plain" / "market")


@pytest.mark.parametrize("uri", ["", "  ", "a\0b", "a\nb", "a\x1b[31mb", "s3://a\0", "\udc80"])
def test_what_nobody_can_see_is_refused(uri):
    with pytest.raises(InputError, match="is no place for a store; name a folder") as refused:
        store_address(uri)
    assert str(refused.value).isprintable()


def test_long_names_are_refused_at_the_door(tmp_path):
    with pytest.raises(InputError, match="has a name of 300 bytes; 200 are enough"):
        store_address(tmp_path / ("x" * 300) / "market")
    assert store_address(tmp_path / ("x" * 200)).endswith("x")


@pytest.mark.parametrize("uri", ["s3://bucket/a[1]", "file:///tmp/a%20b", "abfss://c@account.dfs.core.windows.net/x"])
def test_addresses_pass_as_they_are(uri):
    assert store_address(uri) == uri


def test_an_address_of_a_folder_is_held_to_the_same():
    with pytest.raises(InputError, match="/nowhere/a%20b cannot hold a store"):
        store_address("file:///nowhere/a%2520b")


@pytest.mark.parametrize("uri", ["file:///x/q#1", "file:///x/q?1", "file://host/z", "FILE:///x?", "file://tmp"])
def test_a_file_address_that_means_another_folder_is_refused(uri):
    with pytest.raises(InputError, match="is no folder of this machine; write file:///PATH"):
        store_address(uri)


def test_folders_of_addresses(tmp_path):
    assert local_folder("FILE:///x/a%23b") == Path("/x/a#b")
    assert local_folder("s3://bucket/x") is None
    assert local_folder(str(tmp_path)) == tmp_path
