from __future__ import annotations
from mcp.testing.drain import drain
def test_smoke(api, operator_api, pod):
    r = api.post("/api/v1/accelerators", {"name":"web","plan":"zone-256m","image":"debian-12"})
    print(r.status_code, r.json(), dict(r.headers))
    drain()
    for p in ["account","account/limits","account/members","account/ssh-keys","account/api-keys","plans","images","pods","accelerators","accelerators/web","accelerators/web/timeline","operations","events"]:
        r = api.get("/api/v1/"+p); print(p, r.status_code, str(r.json())[:300])
    for p in ["pods","hosts","hosts/sim1-h1","images","plans","accounts","accounts/acme","operations","allocations","drift","audit","capacity"]:
        r = operator_api.get("/api/v1/operator/"+p); print(p, r.status_code, str(r.json())[:300])
    for v in ["stop","start","restart"]:
        r = api.post(f"/api/v1/accelerators/web/{v}"); print(v, r.status_code, r.json()["state"], r["Location"]); drain()
    r = api.delete("/api/v1/accelerators/web?dry_run=true"); print(r.status_code, r.json())
    r = api.delete("/api/v1/accelerators/web"); print(r.status_code, r.json()["state"]); drain()
    r = api.post("/api/v1/accelerators/web/undelete"); print(r.status_code, r.json()["state"]); drain()
    r = api.delete("/api/v1/accelerators/web?now=true"); print(r.status_code, r.json()["state"]); drain()
    r = api.get("/api/v1/accelerators/web"); print(r.status_code, r.json())
    r = api.get("/api/v1/nope"); print(r.status_code, r.json())
    r = api.post("/api/v1/accelerators", {"name":"web","plan":"zone-256m","image":"debian-12","count":3}, HTTP_IDEMPOTENCY_KEY="k1"); print(r.status_code, r["Location"], r.json()["count"])
    r = api.post("/api/v1/accelerators", {"name":"web","plan":"zone-256m","image":"debian-12","count":3}, HTTP_IDEMPOTENCY_KEY="k1"); print(r.status_code, r["Location"], r.json()["count"], r["Idempotent-Replay"])
    r = api.post("/api/v1/accelerators", {"name":"web","plan":"zone-256m","image":"debian-12","count":3,"x":1, "tags": 3}); print(r.status_code, r.json())
    assert 0
