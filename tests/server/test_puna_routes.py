"""Puna's own API: jobs and settings."""

import json
from typing import Any

import httpx

CHAT = {"model": "cria", "messages": [{"role": "user", "content": "echo one two"}]}


async def test_a_job_has_the_id_that_its_answer_told(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/chat", json=CHAT)
    id, last = answer.headers["x-request-id"], json.loads(answer.text.splitlines()[-1])
    for path in (f"/puna/v1/jobs/{id}", f"/api/progress/{id}"):
        record = (await client.get(path)).json()
        assert record["id"] == id
        assert record["phase"] == "done"
        assert record["output_tokens"] > 0
        assert record["prompt_tokens"] == last["prompt_eval_count"]


async def test_a_job_can_be_watched_while_it_runs(client: httpx.AsyncClient) -> None:
    hanging = {"model": "cria", "messages": [{"role": "user", "content": "pace 100000"}]}
    async with client.stream("POST", "/api/chat", json=hanging) as answer:
        id = answer.headers["x-request-id"]
        record = (await client.get(f"/api/progress/{id}")).json()
        assert record["phase"] in ("prompt", "generating")
        (listed,) = (await client.get("/puna/v1/jobs")).json()["jobs"]
        assert listed["id"] == id


async def test_jobs_are_listed_the_latest_first_and_survive_a_restart(serve: Any) -> None:
    ids = list[str]()
    async with serve() as client:
        for _ in range(3):
            ids.insert(0, (await client.post("/api/chat", json=CHAT)).headers["x-request-id"])
        assert [job["id"] for job in (await client.get("/puna/v1/jobs")).json()["jobs"]] == ids
    async with serve() as client:
        ids.insert(0, (await client.post("/api/chat", json=CHAT)).headers["x-request-id"])
        assert [job["id"] for job in (await client.get("/puna/v1/jobs")).json()["jobs"]] == ids
        fewer = (await client.get("/puna/v1/jobs", params={"limit": 2})).json()["jobs"]
        assert [job["id"] for job in fewer] == ids[:2]
        assert (await client.get(f"/puna/v1/jobs/{ids[-1]}")).json()["phase"] == "done"


async def test_a_record_has_nothing_of_what_was_said(client: httpx.AsyncClient) -> None:
    await client.post("/api/chat", json=CHAT)
    assert "echo" not in json.dumps((await client.get("/puna/v1/jobs")).json())


async def test_a_job_that_is_not_known_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/puna/v1/jobs/abc", "/api/progress/abc"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "no job 'abc'" in answer.json()["error"]


async def test_settings_are_shown_with_where_they_came_from(serve: Any) -> None:
    async with serve(keep_alive="1h") as client:
        settings = (await client.get("/puna/v1/settings")).json()["settings"]
    told = {one["name"]: one for one in settings}
    assert told["keep_alive"]["value"] == "1h"
    assert told["keep_alive"]["origin"] == "--keep-alive"
    assert told["batch"]["origin"] == "default"
