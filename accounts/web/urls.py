"""Pages about people and their account."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from accounts.web import api_keys, limits, members, sign_in, ssh_keys

urlpatterns: list[URLPattern | URLResolver] = [
    path("sign-in/", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-out/", sign_in.SignOut.as_view(), name="sign-out"),
    path("account/switch/", sign_in.switch_account, name="switch-account"),
    path("account/ssh-keys/", ssh_keys.ssh_keys, name="ssh-keys"),
    path("account/ssh-keys/<uuid:key_id>/remove/", ssh_keys.remove, name="ssh-key-remove"),
    path("account/api-keys/", api_keys.api_keys, name="api-keys"),
    path("account/api-keys/<uuid:key_id>/revoke/", api_keys.revoke, name="api-key-revoke"),
    path("account/members/", members.members, name="members"),
    path("account/members/<uuid:member_id>/role/", members.role, name="member-role"),
    path("account/members/<uuid:member_id>/remove/", members.remove, name="member-remove"),
    path("account/limits/", limits.limits, name="limits"),
]
