"""Each customer has a cookie jar of its own: a correct service with cookie sessions is not called open."""

from __future__ import annotations

import asyncio

from overbooked.bursts.bursts import Bursts
from overbooked.interleavings.scheduler.actors import Actor, ConnectionPool, RequestTask
from overbooked.oracles.answers import others_refused
from overbooked.oracles.capacity import sold_at_most
from overbooked.targets.adapter import HttpRequest, HttpResponse
from overbooked.targets.cookies import CookieJar
from overbooked.targets.endpoint import endpoint_of
from overbooked.verdicts.judge import Judge
from tests.soundness.cookie_town import CookieTown, in_town, page
from tests.targets.town import Call, Reply, Town


async def test_a_second_customer_does_not_act_in_the_first_ones_session() -> None:
    async with CookieTown() as town, in_town(town) as system:
        ana, ben = await system.customers(2)
        booking = await system.make_booking(ana, await system.open_slot())
        refused = await system.do(ben.cancels(booking))
        given_back = await system.do(ana.cancels(booking))
    assert (refused.status, refused.refused) == (403, True)
    assert given_back.ok


async def test_a_customer_keeps_its_session_on_every_replica() -> None:
    async with CookieTown() as town, in_town(town, town) as system:
        ana, ben = await system.customers(2)
        booking = await system.make_booking(ana, await system.open_slot())
        assert (await system.do(ben.cancels(booking), replica=1)).status == 403
        assert (await system.do(ana.cancels(booking), replica=1)).ok


async def test_a_burst_is_sent_with_the_cookies_of_each_of_its_customers() -> None:
    judge = Judge(["SYS-03.c"], "burst")
    async with CookieTown() as town, in_town(town) as system:
        crowd = await system.customers(6)
        slot = await system.open_slot()
        bursts = Bursts(system, judge)
        answers = await bursts.burst([one.books(slot) for one in crowd])
        late = await bursts.burst([one.books(slot) for one in crowd])
        await bursts.close()
        sold_at_most(1, answers)
        others_refused(answers)
        # The page before the form says no: nothing was left to release, and each was told.
        assert [answer.status for answer in late] == [409] * 6
    assert sorted(str(answer.status) for answer in answers) == ["201"] + ["409"] * 5
    assert len({town.session(call) for call in town.calls if call.path.startswith("/form")}) == 6


async def test_an_explored_request_is_sent_with_its_customers_cookies() -> None:
    async with CookieTown() as town, in_town(town) as system:
        crowd = await system.customers(2)
        callers = ConnectionPool([endpoint_of(town.url)])
        slot = await system.open_slot()
        for one in crowd:
            action = one.books(slot)
            part, over = RequestTask(Actor(one.nick, "book", action), action, 0, callers), asyncio.Event()
            part.start(over.set)
            await asyncio.wait_for(over.wait(), 5)
            assert part.failed is None
            assert part.answer is not None
            assert part.answer.status == (201 if one is crowd[0] else 409)
        callers.close()
    assert list(town.owners.values()) == ["s1"]


async def test_an_action_that_no_customer_does_carries_no_customers_cookies() -> None:
    seen: list[str] = []

    async def watch(call: Call) -> Reply:
        seen.append(call.headers.get("cookie", ""))
        return page(200, {}, "Set-Cookie: session=operator")

    async with Town() as town, in_town(town) as system:
        town.reply = watch
        await system.customers(1)
        await system.client(HttpRequest("GET", "/slots"))
        await system.client(HttpRequest("GET", "/slots"))
    # The log-in, then the adapter's own two requests: its own jar, filled by the first of them.
    assert seen == ["", "", "session=operator"]


def test_a_jar_honours_path_and_end_and_leaves_a_header_of_the_adapters_own_alone() -> None:
    jar = CookieJar()
    sets = HttpResponse.received(
        200,
        [
            ("Set-Cookie", "a=1; Path=/"),
            ("set-cookie", "b=2; Path=/admin"),
            ("Set-Cookie", "gone=3; Max-Age=0"),
            ("Set-Cookie", "old=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Set-Cookie", "here=5"),
        ],
        b"",
    )
    jar.keep(sets, HttpRequest("GET", "/shop/basket?x=1"))
    assert jar.dress(HttpRequest("GET", "/shop/pay")).header_list == [("Cookie", "here=5; a=1")]
    assert jar.dress(HttpRequest("GET", "/admin/x")).header_list == [("Cookie", "b=2; a=1")]
    assert jar.dress(HttpRequest("GET", "/administration")).header_list == [("Cookie", "a=1")]
    own = HttpRequest("GET", "/shop/pay", {"cookie": "mine=1"})
    assert jar.dress(own) is own
    jar.keep(HttpResponse.received(200, [("Set-Cookie", "a=; Max-Age=0; Path=/")], b""), own)
    assert jar.dress(HttpRequest("GET", "/")).header_list == []
