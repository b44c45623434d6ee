"""Commerce, lead scores, answers of AI engines: betas, read only by a run that names them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..declaration import (
    BETA_TIER,
    DAY,
    WITH_ARCHIVED,
    Endpoint,
    Increment,
    Parents,
    Table,
    after,
    one_answer,
)

COMMERCE, SCORES, AEO = "commerce", "scores", "aeo"
_BOOKS = "/commerce/price-books/2026-09-beta/price-books"
_AEO = "/marketing/aeo/2026-09-beta"
_TIMES = "created_at timestamp, updated_at timestamp"

_beta = partial(Endpoint, tier=BETA_TIER, default=False, paging=after(100), due=DAY)


def _aeo(prefix: str, asked: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Return the endpoints of one kind of brand: HubSpot answers for one brand at a time."""
    whose = " of another brand" * bool(prefix)
    unit = "business_unit_id = @businessUnitId" if prefix else "business_unit_id"
    key = "business_unit_id, id" if prefix else "id"
    prompts, runs, advice = (
        f"{prefix}aeo_{one}" for one in ("prompts", "prompt_runs", "recommendations")
    )
    of_prompt = Parents(prompts, {"prompt_id": "id"})
    columns = {
        prompts: f"id, text, {unit}, {_TIMES}",
        runs: "prompt_id = @prompt_id, id, engine, mentioned bool, created_at timestamp",
        advice: f"id, title, status, {unit}, created_at timestamp",
    }
    about = {
        prompts: f"a question whose answers by AI engines HubSpot watches{whose}",
        runs: f"an answer of an AI engine to such a question{whose}",
        advice: f"an advice for better answers{whose}",
    }
    table = {
        name: (
            Table(name, "prompt_id, id" if name == runs else key, columns[name], about=about[name]),
        )
        for name in columns
    }
    return (
        _beta(prompts, group=AEO, path=f"{_AEO}/prompts", tables=table[prompts], **asked),
        _beta(
            runs,
            group=AEO,
            path=f"{_AEO}/prompts/{{prompt_id}}/runs",
            per=of_prompt,
            tables=table[runs],
        ),
        _beta(advice, group=AEO, path=f"{_AEO}/recommendations", tables=table[advice], **asked),
    )


ENDPOINTS = (
    _beta(
        "price_books",
        group=COMMERCE,
        path=_BOOKS,
        variants=WITH_ARCHIVED,
        scopes=("price-book-read",),
        tables=(
            Table(
                "price_books",
                "id",
                "id, name, description, status, auto_assignment_enabled bool,"
                f" count_of_included_products integer, custom_properties json, {_TIMES},"
                " archived_at timestamp:nonzero",
                about="a price book",
            ),
            Table(
                "price_book_currencies",
                "price_book_id, currency_code",
                "price_book_id = ^id, currency_code = .",
                rows="supportedCurrencies",
                about="a currency of a price book",
            ),
        ),
    ),
    _beta(
        "price_book_items",
        group=COMMERCE,
        path=f"{_BOOKS}/{{price_book_id}}/items",
        per=Parents("price_books", {"price_book_id": "id"}),
        scopes=("price-book-read",),
        tables=(
            Table(
                "price_book_items",
                "price_book_id, id",
                "price_book_id = @price_book_id, id, product_id, product_type,"
                " product_classification, pricing_model = pricing.pricingModel, billing_frequency,"
                f" billing_period, cost_of_goods_sold double, {_TIMES}",
                about="a product in a price book",
            ),
            Table(
                "price_book_item_prices",
                "item_id, ordinal",
                "item_id = ^id, ordinal integer = #, currency_code, price double,"
                " max_quantity double",
                rows="pricing.prices",
                about="a price of such a product",
            ),
        ),
    ),
    _beta(
        "payment_links",
        group=COMMERCE,
        path="/commerce/payment-links/2026-09-beta/payment-links",
        variants=WITH_ARCHIVED,
        read=Increment("updatedAfter", "updated_at", form="ms"),
        scopes=("payment-links-read",),
        tables=(
            Table(
                "payment_links",
                "id",
                f"id, name, url, active bool, {_TIMES}, archived_at timestamp:nonzero",
                about="a page where people pay",
            ),
        ),
    ),
    _beta(
        "contract_changes",
        group=COMMERCE,
        path="/commerce/contracts/2026-09-beta/contracts/{contract_id}/changes",
        paging=one_answer(),
        per=Parents("contracts", {"contract_id": "id"}, changed="_hs_updated_at"),
        scopes=("crm.objects.contracts.read",),
        tables=(
            Table(
                "contract_changes",
                "contract_id, change",
                "contract_id = @contract_id, change = id|hash, change_type,"
                f" effective_at timestamp, {_TIMES}",
                about="a change of a contract",
            ),
        ),
    ),
    _beta(
        "object_tags",
        group=COMMERCE,
        path="/crm/object-tags/2026-09-beta/{object_type_id}",
        paging=one_answer(),
        per="object type",
        tables=(
            Table(
                "object_tags",
                "object_type, id",
                f"object_type = @object_type, id, name, color, {_TIMES}",
                about="a tag for records of an object type",
            ),
        ),
    ),
    _beta(
        "lead_scores",
        group=SCORES,
        path="/marketing/lead-scoring/2026-09-beta/scores",
        scopes=("mh-lead-scoring-view",),
        tables=(
            Table(
                "lead_scores",
                "id",
                f"id, name, object_type_id, score_type, active bool, {_TIMES}",
                about="a score for records",
            ),
        ),
    ),
    *_aeo("", {}),
    *_aeo(
        "brand_",
        {"per": Parents("business_units", {"?businessUnitId": "id"}, where="id <> '0'")},
    ),
)
