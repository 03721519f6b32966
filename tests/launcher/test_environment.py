import pytest

from integrationhub.launcher.environment import settings_of, token_settings
from integrationhub.launcher.servers import outside_database_urls
from integrationhub.launcher.state import new_secrets
from integrationhub.launcher.trouble import Trouble

SERVERS = {
    "DATABASE_OWNER_URL": "postgres://owner:a@127.0.0.1:20001/integrationhub",
    "DATABASE_URL": "postgres://hub_app:b@127.0.0.1:20001/integrationhub",
    "DATABASE_SYSTEM_URL": "postgres://hub_system:c@127.0.0.1:20001/integrationhub",
    "REDIS_URL": "redis://:d@127.0.0.1:20002/0",
}
OWNER = "postgres://super:p%40ss@db.example:6543/hub_one?sslmode=require"
PASSWORDS = {"app_password": "app", "system_password": "system"}


def test_what_the_caller_has_set_wins() -> None:
    given = {"JWT_ISSUER": "https://issuer.example", "SANDBOX_ENABLED": "false"}
    settings = settings_of(given, new_secrets(), SERVERS, 8000)
    assert settings.items() >= given.items()


def test_an_empty_setting_counts_as_missing() -> None:
    secrets = new_secrets()
    assert settings_of({"SECRET_KEY": ""}, secrets, SERVERS, 8000)["SECRET_KEY"] == secrets["SECRET_KEY"]


def test_the_hub_binds_to_the_port_it_was_asked_for() -> None:
    settings = settings_of({"HUB_BIND": "0.0.0.0:1"}, new_secrets(), SERVERS, 8123)
    assert settings["HUB_BIND"] == "127.0.0.1:8123"
    assert settings["PUBLIC_BASE_URL"] == "http://127.0.0.1:8123"


def test_the_broker_is_the_redis_that_was_found() -> None:
    assert settings_of({}, new_secrets(), SERVERS, 8000)["CELERY_BROKER_URL"] == SERVERS["REDIS_URL"]


def test_servers_passwords_stay_with_the_supervisor() -> None:
    secrets = new_secrets()
    settings = settings_of({}, secrets, SERVERS, 8000)
    assert secrets["owner_password"] not in " ".join(settings.values())


def test_tokens_are_signed_with_the_callers_secret_where_there_is_one() -> None:
    assert token_settings({"JWT_SECRET": "mine"}, {"JWT_SECRET": "kept"})["JWT_SECRET"] == "mine"
    assert token_settings({}, {"JWT_SECRET": "kept"})["JWT_SECRET"] == "kept"


def test_two_databases_of_one_server_get_roles_of_their_own() -> None:
    one = outside_database_urls({"DATABASE_OWNER_URL": OWNER}, PASSWORDS)
    other = outside_database_urls({"DATABASE_OWNER_URL": OWNER.replace("hub_one", "hub_two")}, PASSWORDS)
    assert one["DATABASE_URL"].split(":app@")[0] != other["DATABASE_URL"].split(":app@")[0]


def test_the_roles_reach_the_owners_database_the_owners_way() -> None:
    urls = outside_database_urls({"DATABASE_OWNER_URL": OWNER}, PASSWORDS)
    for name in ("DATABASE_URL", "DATABASE_SYSTEM_URL"):
        assert urls[name].endswith("@db.example:6543/hub_one?sslmode=require")
        assert "super" not in urls[name]


def test_urls_that_are_given_are_taken_as_they_are() -> None:
    given = {name: SERVERS[name] for name in ("DATABASE_OWNER_URL", "DATABASE_URL", "DATABASE_SYSTEM_URL")}
    assert outside_database_urls(given, PASSWORDS) == given


def test_a_database_that_nobody_may_migrate_is_refused() -> None:
    with pytest.raises(Trouble, match="DATABASE_OWNER_URL is not set"):
        outside_database_urls({"DATABASE_URL": SERVERS["DATABASE_URL"]}, PASSWORDS)
