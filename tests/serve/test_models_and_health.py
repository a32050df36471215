"""Models, who is written as by a header, health, metrics and the page that describes the interface."""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import quote

from tests.browser import chromium
from tests.serve.serving import serving

from penname.serve.store.opening import open_store


def ask(client, model="penname", **headers):
    body = {"model": model, "messages": [{"role": "user", "content": "Write about rain."}], "max_tokens": 3}
    return client("POST", "/v1/chat/completions", body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_models_are_penname_and_each_user_with_each_method(client):
    users = ["ada", "ada@sft", "bob@example.org", "team/eve"]
    for user in users:
        client("PUT", f"/v1/users/{quote(user, safe='')}")
    listed = client("GET", "/v1/models").json
    names = [model["id"] for model in listed["data"]]
    assert names[:4] == ["penname", "penname@sft", "penname/ada", "penname/ada@sft"]
    assert names[4:6] == ["penname/ada@sft@sft-reasoning", "penname/ada@sft@sft"]  # whose own id ends like a method
    assert names[6:] == [f"penname/{user}{end}" for user in users[2:] for end in ("", "@sft")]
    for model in listed["data"]:
        assert client("GET", f"/v1/models/{quote(model['id'], safe='')}").json == model
    assert client("GET", "/v1/models/penname/team/eve").status == 200
    assert ask(client, "penname@sft/ada").json["penname"]["method"] == "sft"
    for unknown in ("penname/nobody", "gpt-4", "penname@nothing", "penname@nothing/ada"):
        answer = client("GET", f"/v1/models/{unknown}")
        assert (answer.status, answer.error["code"]) == (404, "model_not_found")


def test_users_models_come_in_pages(client):
    for n in range(5):
        client("PUT", f"/v1/users/user{n}")
    first = client("GET", "/v1/models?limit=3").json
    rest = client("GET", f"/v1/models?limit=3&after={quote(first['last_id'], safe='')}").json
    names = [model["id"] for page in (first, rest) for model in page["data"] if "@" not in model["id"]]
    assert names == ["penname", *(f"penname/user{n}" for n in range(5))]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_menus_which_show_the_first_page_alone_have_many_users(client, served_store):
    tenant = served_store.key_of(client.key).tenant
    for n in range(150):
        served_store.put_user(tenant, f"user{n:03}")
    listed = client("GET", "/v1/models").json
    assert [model["id"] for model in listed["data"] if "@" not in model["id"]][1:] == [
        f"penname/user{n:03}" for n in range(150)
    ]
    assert not listed["has_more"]
    assert len(client("GET", "/v1/users").json["data"]) == 100


def test_the_openai_client_lists_and_shows_models(client):
    import openai

    client("PUT", "/v1/users/team%2Fada")
    with openai.OpenAI(api_key=client.key, base_url=f"http://127.0.0.1:{client.port}/v1") as sdk:
        assert "penname/team/ada" in [model.id for model in sdk.models.list()]
        assert sdk.models.retrieve("penname/team/ada").object == "model"


def users_of(answer):
    """Whether it was written as a user whom somebody knows."""
    return not any("nobody knows this user" in note for note in answer.json["penname"]["notes"])


def test_a_mistyped_method_is_not_taken_for_a_part_of_an_id(client, server, served_store):
    other = server.with_key(served_store.add_key("who knows no ada"))
    client("PUT", "/v1/users/ada")
    client("PUT", "/v1/users/eve@home")
    for mistyped in ("ada@stf", "ada@", "eve@home@stf"):
        refused = ask(client, f"penname/{mistyped}")
        assert (refused.status, refused.error["code"]) == (404, "model_not_found")
        assert refused.error["message"] == "found no such method, expected one of sft, sft-reasoning"
        assert not users_of(ask(other, f"penname/{mistyped}"))
    for nobody in ("ada@example.org", "eve@stf", "@stf", " @stf"):
        assert not users_of(ask(client, f"penname/{nobody}"))
    assert not users_of(ask(client, "penname@sft/ada@stf"))  # whose method is named already
    assert users_of(ask(client, "penname/eve@home"))


def test_a_header_names_the_user(client):
    user = "Ada Ω/100%"
    client("POST", f"/v1/users/{quote(user, safe='')}/documents", {"text": "Planted words."})
    for value in (quote(user), quote(user, safe="")):
        answer = ask(client, X_Penname_User=value)
        assert (answer.status, users_of(answer)) == (200, True)
    assert not users_of(ask(client, X_Penname_User="nobody"))
    assert ask(client, X_Penname_User="%ff").error["param"] == "x-penname-user"
    assert users_of(ask(client, f"penname/{user}", X_Penname_User="nobody"))  # what the request itself says goes first


def test_open_webuis_header_counts_with_a_key_for_such_programs_alone(server, served_store, client):
    tenant = served_store.key_of(client.key).tenant
    proxy = server.with_key(served_store.add_key(tenant, proxy=True))
    client("PUT", "/v1/users/ada")
    # With a method that writes no reasoning: one that comes to no end by itself costs a second prompt.
    prompt = ask(client, "penname@sft").json["usage"]["prompt_tokens"]
    client("POST", "/v1/users/ada/documents", {"text": "Planted words."})
    signed_in = {"X_OpenWebUI_User_Id": "ada"}
    assert ask(client, "penname@sft", **signed_in).json["usage"]["prompt_tokens"] == prompt
    assert ask(proxy, "penname@sft", **signed_in).json["usage"]["prompt_tokens"] > prompt
    assert ask(proxy, "penname/ada", **signed_in).status == 200
    refused = ask(proxy, "penname/bob", **signed_in)
    assert (refused.status, refused.error["code"]) == (403, "user_mismatch")
    assert ask(client, "penname/ada", X_OpenWebUI_User_Id="bob").status == 200
    assert [model["id"] for model in proxy("GET", "/v1/models").json["data"]] == ["penname", "penname@sft"]


def test_what_a_path_takes_is_told_with_its_refusal(client):
    answer = client("PATCH", "/v1/models")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_metrics_name_no_user_and_stay_few(client, monitor):
    """A sweep over many users, paths, methods and errors."""
    planted = [f"heliotrope{n}" for n in range(20)]
    for n, user in enumerate(planted):
        path = f"/v1/users/{user}"
        client("PUT", path)
        client("POST", f"{path}/documents", {"text": f"Text {n}"})
        for part in ("", "/documents", "/documents/1", "/reasoning", "/export", "/feedback", "/feedback/1", "/nothing"):
            client(("GET", "PUT", "POST", "DELETE", "PATCH")[n % 5], path + part, {"text": ""})
        client.with_key(None)("GET", f"/{user}/{n}")
        client(("BREW", user.upper())[n % 2], f"{path}/documents")
    ask(client, f"penname/{planted[0]}")
    text = monitor("GET", "/metrics").body.decode()
    series = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert 40 < len(series) <= 200
    assert "heliotrope" not in text.lower()
    assert "tenant" not in text
    assert 'penname_requests_total{method="PUT",route="/v1/users/{user}",status="200"}' in text
    found = dict(re.findall(r"^(\S+) (\S+)$", text, re.MULTILINE))
    for name in ("penname_first_token_seconds_count", "penname_step_seconds_count", "penname_database_seconds_count"):
        assert float(found[name]) > 0
    assert float(found['penname_tokens_total{direction="out"}']) >= 3
    assert float(found["process_resident_memory_bytes"]) > 2**20


def test_requests_that_are_refused_are_counted_by_their_reason(server, served_store, monitor):
    secret = served_store.add_key("poor", tokens_a_day=10_000)
    assert served_store.reserve(served_store.key_of(secret), time.strftime("%Y-%m-%d", time.gmtime()), 9_995)
    poor = server.with_key(secret)
    assert ask(poor).error["code"] == "insufficient_quota"
    assert 'penname_refused_total{reason="insufficient_quota"}' in monitor("GET", "/metrics").body.decode()


def test_the_totals_of_all_tenants_are_told_to_none_of_them(client, monitor):
    refused = client("GET", "/metrics")
    assert (refused.status, refused.error["code"]) == (403, "other_tenant")
    assert "expected a key of the tenant local" in refused.error["message"]
    assert monitor("GET", "/metrics").status == 200


def test_labels_that_are_too_many_are_counted_as_others():
    from penname.serve.metrics import Metrics

    metrics = Metrics()
    for n in range(1000):
        metrics.count_request(f"/route{n}", "GET", 200 + n)
        metrics.count_request(None, f"METHOD{n}", 404)
    series = [line for line in metrics.text().decode().splitlines() if line.startswith("penname_requests_total")]
    assert len(series) <= 122


def head(port, path):
    """The status, the headers and the body of an answer to HEAD, as they are sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        sent = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    top, _, body = sent.partition("\r\n\r\n")
    status, *lines = top.split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_load_balancers_may_ask_with_head(server):
    for path in ("/healthz", "/readyz"):
        answer = server("GET", path)
        status, headers, body = head(server.port, path)
        assert (status, headers["content-length"], body) == (200, str(len(answer.body)), "")
    admission = server.app.state.penname.admission
    admission.stopping = True
    try:
        assert [head(server.port, path)[::2] for path in ("/healthz", "/readyz")] == [(200, ""), (503, "")]
    finally:
        admission.stopping = False


def test_a_server_that_stops_is_alive_and_not_ready(server):
    for path in ("/healthz", "/readyz"):  # no key is needed
        assert server("GET", path).json == {"status": "ok"}
    admission = server.app.state.penname.admission
    admission.stopping = True
    try:
        assert server("GET", "/healthz").status == 200
        assert (server("GET", "/readyz").status, server("GET", "/readyz").error["code"]) == (503, "stopping")
    finally:
        admission.stopping = False
    assert server("GET", "/readyz").status == 200


def test_without_its_engine_a_server_is_not_ready(served_run, tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, serving(store, served_run, methods=["sft"]) as client:
        assert client("GET", "/readyz").status == 200
        client.app.state.penname.methods.get("sft").backend.engine.close()
        assert client("GET", "/readyz").error["code"] == "engine_failed"


def test_without_its_database_a_server_is_not_ready(served_run, tmp_path, request):
    cluster = request.getfixturevalue("cluster")
    name = cluster.new_database()
    path = tmp_path / "penname.db"
    for address in (f"sqlite:///{path}", cluster.url(name, "penname")):
        with (
            open_store(address, tmp_path / address[:8]) as store,
            serving(store, served_run, methods=["sft"]) as client,
        ):
            assert client("GET", "/readyz").status == 200
            path.unlink(missing_ok=True)
            if "postgresql" in address:
                cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                cluster.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            answer = client("GET", "/readyz")
            assert (answer.status, answer.error["code"]) == (503, "database_unavailable")
            assert client("GET", "/healthz").status == 200


def test_on_this_machine_metrics_and_users_need_no_key(served_run, tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        store.put_tenant("local")
        with serving(store, served_run, key_required=False, methods=["sft"]) as client:
            assert client("GET", "/metrics").status == client("PUT", "/v1/users/ada").status == 200
            assert [model["id"] for model in client("GET", "/v1/models").json["data"]] == ["penname", "penname/ada"]
            assert client("GET", "/v1/users", headers={"Host": "evil.example"}).status == 403


def test_the_description_has_every_route_and_its_errors(server):
    described = server("GET", "/openapi.json").json
    assert {"/v1/users/{user}/documents", "/v1/users/{user}/documents/{document}"} <= set(described["paths"])
    content = described["paths"]["/v1/users/{user}/documents"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-ndjson", "multipart/form-data"}
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"]
            assert "422" not in operation["responses"], path


def test_the_page_of_the_interface_asks_no_other_host(served_run, tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, serving(store, served_run, methods=["sft"]) as server:
        check_page(server, tmp_path)


def check_page(server, folder):
    from selenium.webdriver.support.ui import WebDriverWait

    page = server("GET", "/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert server("GET", "/healthz").headers["content-security-policy"].startswith("default-src 'none'; frame-anc")
    for address in re.findall(r"(?:src|href)=\"([^\"]+)\"", page.body.decode()):
        assert address.startswith("/docs/files/")
        assert server("GET", address).status == 200
    with chromium(folder) as browser:
        browser.get(f"http://127.0.0.1:{server.port}/docs")
        WebDriverWait(browser, 15).until(lambda browser: "/v1/users/{user}/documents" in browser.page_source)
        loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert all(name.startswith((f"http://127.0.0.1:{server.port}/", "data:")) for name in loaded), loaded
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
