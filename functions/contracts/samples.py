"""One filled example of every event: documentation, and what tests read."""

from __future__ import annotations

from typing import Any

import numpy as np

from functions import events as e

QUERY: dict[str, Any] = {
    "museum": "local",
    "owner": "registrar",
    "lane": "interactive",
    "purpose": "query",
    "bucket": "queries",
    "key": "local/registrar/3f9c1b/ваза 1.jpg",
    "version": "9b2cf535f27731c974343645a3985328",
    "upload_id": e.upload_id("queries", "local/registrar/3f9c1b/ваза 1.jpg", "9b2cf535f27731c974343645a3985328"),
    "query_id": e.upload_id("queries", "local/registrar/3f9c1b/ваза 1.jpg", "9b2cf535f27731c974343645a3985328"),
    "received_at": 1769860800.0,
    "stages": {"ingest": 3.1},
    "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
}
CATALOGUE: dict[str, Any] = {
    "museum": "local",
    "owner": "local",
    "lane": "bulk",
    "purpose": "catalogue",
    "bucket": "catalogue",
    "key": "local/100001/images/100001.jpg",
    "version": "0cc175b9c0f1b6a831c399e269772661",
    "upload_id": e.upload_id("catalogue", "local/100001/images/100001.jpg", "0cc175b9c0f1b6a831c399e269772661"),
    "object_id": "100001",
    "received_at": 1769860800.0,
    "stages": {"ingest": 3.1},
    "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
}
SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
FINGERPRINT = "b1650d85d274538be2a88beaa264ee845d81c6483139868481b4d785acfe20a9"


def _image(common: dict[str, Any]) -> e.Image:
    return e.Image(bucket=common["bucket"], key=common["key"], version=common["version"], size=812345)


def _prepared(common: dict[str, Any]) -> e.PreparedImage:
    return e.PreparedImage(
        bucket=common["bucket"],
        key=common["key"],
        version=common["version"],
        sha256=SHA,
        width=3000,
        height=2000,
        format="JPEG",
        preprocessing="side1280-letterbox224-v1",
        pixels=f"{SHA}/side1280-letterbox224-v1.npy",
        display=f"{SHA}/display-",
        features=f"{SHA}/rootsift256-v1.bin",
    )


_vector = e.Vector.pack(np.full(4, 0.5, np.float32), image=0)
_asked: dict[str, Any] = {
    "region": e.Region(left=0.1, top=0.1, width=0.5, height=0.6),
    "ask": e.Ask(
        scope="all",
        filter=e.Filter(classes=(5, 13), museums=("local", "hermitage"), period=(-480, 1850)),
        exclude=e.ObjectName(museum="local", object_id="100001"),
    ),
}

SAMPLES: dict[type[Any], Any] = {
    e.BucketNotified: e.BucketNotified(
        body={
            "EventName": "s3:ObjectCreated:Put",
            "Key": "queries/local/registrar/3f9c1b/ваза 1.jpg",
            "Records": [
                {
                    "eventName": "s3:ObjectCreated:Put",
                    "s3": {
                        "bucket": {"name": "queries"},
                        "object": {
                            "key": "local%2Fregistrar%2F3f9c1b%2F%D0%B2%D0%B0%D0%B7%D0%B0+1.jpg",
                            "size": 812345,
                            "eTag": "9b2cf535f27731c974343645a3985328",
                            "sequencer": "18A1B2C3D4E5F607",
                        },
                    },
                }
            ],
        }
    ),
    e.ImageReceived: e.ImageReceived(**QUERY, **_asked, images=(_image(QUERY),), cause="000000000000000018A1B2C3D4E5F607"),
    e.ImagePreprocessed: e.ImagePreprocessed(**QUERY, **_asked, images=(_prepared(QUERY),)),
    e.QueryEmbedded: e.QueryEmbedded(**QUERY, **_asked, images=(_prepared(QUERY),), fingerprint=FINGERPRINT, vectors=(_vector,)),
    e.CatalogueEmbedded: e.CatalogueEmbedded(
        **CATALOGUE, images=(_prepared(CATALOGUE),), fingerprint=FINGERPRINT, vectors=(_vector,)
    ),
    e.ImageIndexed: e.ImageIndexed(**CATALOGUE, fingerprint=FINGERPRINT, status="indexed"),
    e.ImageRemoved: e.ImageRemoved(**CATALOGUE, cause="000000000000000018A1B2C3D4E5F607"),
    e.ObjectChanged: e.ObjectChanged(
        **{**CATALOGUE, "key": "local/100001/record.json"}, cause="000000000000000018A1B2C3D4E5F607"
    ),
    e.SearchCompleted: e.SearchCompleted(
        **QUERY, status="completed", result_bucket="results", result_key=f"{QUERY['query_id']}.json", model=FINGERPRINT
    ),
    e.ImageRejected: e.ImageRejected(
        **QUERY, step="preprocess", code="truncated", reason="the file ends before the picture does: upload it again"
    ),
    e.DeliveryDead: e.DeliveryDead(
        step="embed",
        reason="failed 4 times, last: embed answered 500: bug",
        attempts=4,
        event={"specversion": "1.0", "id": "…", "source": "/museum-search", "type": e.ImagePreprocessed.TYPE, "data": {}},
    ),
    e.QueryFailed: e.QueryFailed(
        **QUERY, step="embed", code="worker-dead", reason="failed 4 times, last: embed answered 500: bug"
    ),
}
