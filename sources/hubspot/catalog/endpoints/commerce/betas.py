"""Commerce, lead scores, answers of AI engines: betas, read only by a run that names them."""

from typing import Any

from ..declaration import BETA_TIER, DAY, Endpoint, Increment, Parents, Table, after, one_answer

COMMERCE, SCORES, AEO = "commerce", "scores", "aeo"
_BOOKS = "/commerce/price-books/2026-09-beta/price-books"
_AEO = "/marketing/aeo/2026-09-beta"
_PASSES = ({"archived": "false"}, {"archived": "true"})
_TIMES = "created_at timestamp, updated_at timestamp"


def _beta(name: str, group: str, path: str, *tables: Table, **own: Any) -> Endpoint:  # noqa: ANN401 - members of an endpoint
    said: dict[str, Any] = {"paging": after(100), "due": DAY} | own
    return Endpoint(
        name, group=group, path=path, tables=tables, tier=BETA_TIER, default=False, **said
    )


ENDPOINTS = (
    _beta(
        "price_books",
        COMMERCE,
        _BOOKS,
        Table(
            "price_books",
            "id",
            "id, name, description, status, auto_assignment_enabled bool,"
            f" count_of_included_products integer, custom_properties json, {_TIMES},"
            " archived_at timestamp",
            about="a price book",
        ),
        Table(
            "price_book_currencies",
            "price_book_id, currency_code",
            "price_book_id = ^id, currency_code = .",
            rows="supportedCurrencies",
            about="a currency of a price book",
        ),
        variants=_PASSES,
        scopes=("price-book-read",),
    ),
    _beta(
        "price_book_items",
        COMMERCE,
        f"{_BOOKS}/{{price_book_id}}/items",
        Table(
            "price_book_items",
            "price_book_id, id",
            "price_book_id = @price_book_id, id, product_id, product_type, product_classification,"
            " pricing_model = pricing.pricingModel, billing_frequency, billing_period,"
            f" cost_of_goods_sold double, {_TIMES}",
            about="a product in a price book",
        ),
        Table(
            "price_book_item_prices",
            "item_id, ordinal",
            "item_id = ^id, ordinal integer = #, currency_code, price double, max_quantity double",
            rows="pricing.prices",
            about="a price of such a product",
        ),
        per=Parents("price_books", {"price_book_id": "id"}),
        scopes=("price-book-read",),
    ),
    _beta(
        "payment_links",
        COMMERCE,
        "/commerce/payment-links/2026-09-beta/payment-links",
        Table(
            "payment_links",
            "id",
            f"id, name, url, active bool, {_TIMES}, archived_at timestamp",
            about="a page where people pay",
        ),
        variants=_PASSES,
        read=Increment("updatedAfter", "updated_at", form="ms"),
        scopes=("payment-links-read",),
    ),
    _beta(
        "contract_changes",
        COMMERCE,
        "/commerce/contracts/2026-09-beta/contracts/{contract_id}/changes",
        Table(
            "contract_changes",
            "contract_id, change",
            f"contract_id = @contract_id, change = id|hash, change_type, effective_at timestamp,"
            f" {_TIMES}",
            about="a change of a contract",
        ),
        paging=one_answer(),
        per=Parents("contracts", {"contract_id": "id"}, changed="_hs_updated_at"),
        scopes=("crm.objects.contracts.read",),
    ),
    _beta(
        "object_tags",
        COMMERCE,
        "/crm/object-tags/2026-09-beta/{object_type_id}",
        Table(
            "object_tags",
            "object_type, id",
            f"object_type = @object_type, id, name, color, {_TIMES}",
            about="a tag for records of an object type",
        ),
        paging=one_answer(),
        per="object type",
    ),
    _beta(
        "lead_scores",
        SCORES,
        "/marketing/lead-scoring/2026-09-beta/scores",
        Table(
            "lead_scores",
            "id",
            f"id, name, object_type_id, score_type, active bool, {_TIMES}",
            about="a score for records",
        ),
        scopes=("mh-lead-scoring-view",),
    ),
    _beta(
        "aeo_prompts",
        AEO,
        f"{_AEO}/prompts",
        Table(
            "aeo_prompts",
            "id",
            f"id, text, business_unit_id, {_TIMES}",
            about="a question whose answers by AI engines HubSpot watches",
        ),
    ),
    _beta(
        "aeo_prompt_runs",
        AEO,
        f"{_AEO}/prompts/{{prompt_id}}/runs",
        Table(
            "aeo_prompt_runs",
            "prompt_id, id",
            "prompt_id = @prompt_id, id, engine, mentioned bool, created_at timestamp",
            about="an answer of an AI engine to such a question",
        ),
        per=Parents("aeo_prompts", {"prompt_id": "id"}),
    ),
    _beta(
        "aeo_recommendations",
        AEO,
        f"{_AEO}/recommendations",
        Table(
            "aeo_recommendations",
            "id",
            "id, title, status, business_unit_id, created_at timestamp",
            about="an advice for better answers",
        ),
    ),
)
