"""How people log in to Airflow under the FAB auth manager, which reads this file: by an OpenID provider or by a password here.

NIGHTSHELF_OIDC_ISSUER names the provider, such as https://keycloak.shop/realms/staff; without it FAB's own accounts log in.
NIGHTSHELF_OIDC_ROLES gives its groups a role, as staff:viewer,search:op. Who is in none of them sees nothing.
"""

from __future__ import annotations

import os

from flask_appbuilder.const import AUTH_DB, AUTH_OAUTH

from jobs.local.airflow_env import ROLES


def roles_of_groups(text: str) -> dict[str, list[str]]:
    """Group of the provider -> names of FAB's roles.

    Raises:
        ValueError: no group, or a role that does not exist: FAB would pass over it.
    """
    pairs = [pair.rpartition(":") for pair in text.split(",")]
    if not all(group and role in ROLES for group, _, role in pairs):
        raise ValueError(f"NIGHTSHELF_OIDC_ROLES={text!r}: expected group:role, with a role of {', '.join(ROLES)}")
    return {group: [role.capitalize()] for group, _, role in pairs}


# Flask reads the names in capitals
ISSUER = os.environ.get("NIGHTSHELF_OIDC_ISSUER", "").rstrip("/")
AUTH_TYPE = AUTH_OAUTH if ISSUER else AUTH_DB
WTF_CSRF_ENABLED = True
if ISSUER:
    AUTH_ROLES_MAPPING = roles_of_groups(os.environ.get("NIGHTSHELF_OIDC_ROLES", ""))
    # the first login makes an account; each login gives it the roles of its groups, and a role without rights
    AUTH_USER_REGISTRATION = True
    AUTH_USER_REGISTRATION_ROLE = "Public"
    AUTH_ROLES_SYNC_AT_LOGIN = True
    OAUTH_PROVIDERS = [
        {
            "name": "sso",
            "icon": "fa-key",
            "token_key": "access_token",
            "remote_app": {
                "client_id": os.environ["NIGHTSHELF_OIDC_CLIENT"],
                "client_secret": os.environ["NIGHTSHELF_OIDC_SECRET"],
                "server_metadata_url": f"{ISSUER}/.well-known/openid-configuration",
                "client_kwargs": {"scope": "openid profile email", "code_challenge_method": "S256"},
            },
        }
    ]
