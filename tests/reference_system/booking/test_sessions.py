"""Accounts and sessions: login, expiry and logout."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import jwt
import pytest
import redis.asyncio as redis

from tests.reference_system import house as houses
from tests.reference_system.house import PASSWORD, House, Person
from tests.reference_system.servers import Servers


async def asks(house: House, session: dict[str, Any]) -> tuple[int, str]:
    """Return the answer to an authenticated request."""
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    answer = await house.http.get("/bookings", headers=headers)
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["type"]


async def refresh(house: House, session: dict[str, Any]) -> httpx.Response:
    return await house.http.post("/sessions/refresh", json={"refresh_token": session["refresh_token"]})


@pytest.fixture
async def ana(house: House) -> Person:
    return await house.person()


class TestAnAccount:
    async def test_has_an_address_of_its_own(self, house: House, ana: Person) -> None:
        body = {"email": ana.email.upper(), "name": "Again", "password": PASSWORD}
        taken = await house.http.post("/accounts", json=body)
        assert (taken.status_code, taken.json()["type"]) == (409, "email-taken")

    @pytest.mark.parametrize(
        "body",
        [
            {"email": "nobody", "name": "A", "password": PASSWORD},
            {"email": "a@b", "name": "", "password": PASSWORD},
            {"email": "a@b", "name": "A", "password": "short"},
            {"email": "a@b", "name": "A", "password": PASSWORD, "is_operator": True},
        ],
    )
    async def test_is_refused_when_it_makes_no_sense(self, house: House, body: dict[str, Any]) -> None:
        refused = await house.http.post("/accounts", json=body)
        assert (refused.status_code, refused.json()["type"]) == (422, "invalid-request")

    async def test_is_opened_once_when_opened_twice_at_once(self, house: House) -> None:
        body = {"email": "twins@people.example", "name": "Twin", "password": PASSWORD}
        answers = await asyncio.gather(*(house.http.post("/accounts", json=body) for _ in range(4)))
        assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]


class TestLoggingIn:
    @pytest.mark.parametrize("password", ["wrong", ""])
    async def test_with_a_wrong_password_is_refused(self, house: House, ana: Person, password: str) -> None:
        body = {"email": ana.email, "password": password}
        refused = await house.http.post("/sessions", json=body)
        assert (refused.status_code, refused.json()["type"]) == (401, "wrong-credentials")

    async def test_without_an_account_is_refused_alike(self, house: House, ana: Person) -> None:
        wrong = await house.http.post("/sessions", json={"email": ana.email, "password": "wrong"})
        nobody = await house.http.post("/sessions", json={"email": "no@body", "password": "wrong"})
        assert (nobody.status_code, nobody.content) == (wrong.status_code, wrong.content)

    async def test_says_how_long_the_access_token_lasts(self, house: House, ana: Person) -> None:
        assert ana.session["expires_in_s"] == house.runtime.settings.access_ttl_s


class TestAnAccessToken:
    async def test_is_good_until_it_expires(self, clock: House, ana: Person) -> None:
        ttl_s = clock.runtime.settings.access_ttl_s
        await clock.move_clock(ttl_s - 30)
        assert await asks(clock, ana.session) == (200, "")
        await clock.move_clock(ttl_s + 1)
        assert await asks(clock, ana.session) == (401, "token-expired")

    async def test_of_an_expired_pair_can_be_renewed(self, clock: House, ana: Person) -> None:
        await clock.move_clock(clock.runtime.settings.access_ttl_s + 1)
        renewed = await refresh(clock, ana.session)
        assert renewed.status_code == 201
        assert await asks(clock, renewed.json()) == (200, "")

    async def test_is_wanted(self, house: House) -> None:
        refused = await house.http.get("/bookings")
        assert (refused.status_code, refused.json()["type"]) == (401, "unauthenticated")
        assert refused.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "forge",
        [
            lambda claims: jwt.encode(claims, "another secret of a fitting length", algorithm="HS256"),
            lambda claims: jwt.encode(claims, None, algorithm="none"),
            lambda claims: jwt.encode(claims | {"sid": "x"}, houses.JWT_SECRET, algorithm="HS256"),
            lambda claims: jwt.encode(
                {k: v for k, v in claims.items() if k != "exp"}, houses.JWT_SECRET, algorithm="HS256"
            ),
            lambda claims: "no token at all",
        ],
    )
    async def test_that_is_forged_is_refused(self, house: House, ana: Person, forge: Any) -> None:
        claims = jwt.decode(ana.session["access_token"], options={"verify_signature": False})
        assert await asks(house, {"access_token": forge(claims)}) == (401, "unauthenticated")


class TestARefreshToken:
    async def test_is_exchanged_once(self, house: House, ana: Person) -> None:
        first = (await refresh(house, ana.session)).json()
        second = await refresh(house, first)
        assert second.status_code == 201
        assert (
            len({ana.session["refresh_token"], first["refresh_token"], second.json()["refresh_token"]}) == 3
        )

    async def test_that_is_used_again_ends_the_session(
        self, house: House, other_house: House, ana: Person
    ) -> None:
        renewed = (await refresh(house, ana.session)).json()
        assert await asks(other_house, renewed) == (200, "")
        reused = await refresh(house, ana.session)
        assert (reused.status_code, reused.json()["type"]) == (401, "refresh-reused")
        assert await asks(other_house, renewed) == (401, "session-ended")
        assert (await refresh(house, renewed)).json()["type"] == "refresh-refused"

    async def test_exchanged_twice_at_once_is_exchanged_once(self, house: House, ana: Person) -> None:
        answers = await asyncio.gather(*(refresh(house, ana.session) for _ in range(4)))
        assert sorted(a.status_code for a in answers) == [201, 401, 401, 401]

    async def test_expires(self, clock: House, ana: Person) -> None:
        await clock.move_clock(clock.runtime.settings.refresh_ttl_s + 1)
        assert (await refresh(clock, ana.session)).json()["type"] == "refresh-refused"


class TestASession:
    async def test_ends_for_every_process_at_once(
        self, house: House, other_house: House, ana: Person
    ) -> None:
        for at in (house, other_house):
            assert await asks(at, ana.session) == (200, "")
        ended = await house.http.delete("/sessions/current", headers=ana.headers)
        assert ended.status_code == 204
        for at in (house, other_house):
            assert await asks(at, ana.session) == (401, "session-ended")

    async def test_ends_from_another_device(self, house: House, ana: Person) -> None:
        other = await house.log_in(ana.email)
        path = f"/sessions/{other['session_id']}"
        assert (await house.http.delete(path, headers=ana.headers)).status_code == 204
        assert (await asks(house, other))[0] == 401
        assert (await asks(house, ana.session))[0] == 200

    async def test_ends_with_all_others(self, house: House, ana: Person) -> None:
        other = await house.log_in(ana.email)
        assert (await house.http.delete("/accounts/me/sessions", headers=ana.headers)).status_code == 204
        assert [(await asks(house, s))[0] for s in (other, ana.session)] == [401, 401]

    async def test_is_ended_by_an_operator_but_not_by_a_stranger(self, house: House, ana: Person) -> None:
        path = f"/sessions/{ana.session['session_id']}"
        stranger = await house.person()
        assert (await house.http.delete(path, headers=stranger.headers)).status_code == 404
        assert (await asks(house, ana.session))[0] == 200
        assert (await house.http.delete(path, headers=(await house.operator()).headers)).status_code == 204
        assert (await asks(house, ana.session))[0] == 401

    async def test_that_ended_stays_ended_for_a_reader_who_was_slow(self, house: House, ana: Person) -> None:
        """The request read the session before its revocation and fills the cache after it."""
        await house.http.delete("/sessions/current", headers=ana.headers)
        key = f"session:{ana.session['session_id']}"
        await house.runtime.cache.put(key, f"{ana.id} customer", ttl_s=60, unless_there=True)
        assert (await asks(house, ana.session))[0] == 401

    async def test_lives_without_redis_and_ends_without_it(
        self, servers: Servers, house: House, ana: Person
    ) -> None:
        nowhere = houses.settings(servers.dsns["app"], "redis://127.0.0.1:1/0")
        async with houses.opened(nowhere) as without:
            assert await asks(without, ana.session) == (200, "")
            await without.http.delete("/sessions/current", headers=ana.headers)
            assert await asks(without, ana.session) == (401, "session-ended")

    async def test_is_read_from_the_database_when_the_cache_says_nonsense(
        self, servers: Servers, house: House, ana: Person
    ) -> None:
        async with redis.Redis.from_url(servers.redis_url) as direct:
            await direct.set(f"session:{ana.session['session_id']}", "nonsense")
        assert await asks(house, ana.session) == (200, "")


async def test_the_operator_is_added_once_and_keeps_his_password(servers: Servers, house: House) -> None:
    changed = houses.settings(servers.dsns["app"], servers.redis_url, operator_password="another password")
    async with houses.opened(changed) as again:
        await again.log_in(houses.OPERATOR_EMAIL, houses.OPERATOR_PASSWORD)
