"""Commerce, lead scores, answers of AI engines: betas, read only by a run that names them."""

from functools import partial

from ..declaration import BETA_TIER, DAY, WITH_ARCHIVED, Endpoint, Increment, Parents, Per, Table
from ..paging import after, one_answer

COMMERCE, SCORES, AEO = "commerce", "scores", "aeo"
_BOOKS = "/commerce/price-books/2026-09-beta/price-books"
_AEO = "/marketing/aeo/2026-09-beta"
_TIMES = "created_at, updated_at"

_beta = partial(Endpoint, tier=BETA_TIER, default=False, paging=after(100), due=DAY)


def _aeo(prefix: str, per: Per = "") -> tuple[Endpoint, ...]:
    """Return the endpoints of one kind of brand: HubSpot answers for one brand at a time."""
    whose = " of another brand" * bool(prefix)
    unit = f"business_unit_id = {'@businessUnitId|' * bool(prefix)}businessUnitId"
    key = "business_unit_id, id" if prefix else "id"
    return (
        _beta(
            f"{prefix}aeo_prompts",
            group=AEO,
            path=f"{_AEO}/prompts",
            per=per,
            key=key,
            columns=f"id, text, {unit}, {_TIMES}",
            about=f"a question whose answers by AI engines HubSpot watches{whose}",
        ),
        _beta(
            f"{prefix}aeo_prompt_runs",
            group=AEO,
            path=f"{_AEO}/prompts/{{prompt_id}}/runs",
            per=Parents(f"{prefix}aeo_prompts", {"prompt_id": "id"}),
            key="prompt_id, id",
            columns="prompt_id = @prompt_id, id, engine, mentioned bool, created_at",
            about=f"an answer of an AI engine to such a question{whose}",
        ),
        _beta(
            f"{prefix}aeo_recommendations",
            group=AEO,
            path=f"{_AEO}/recommendations",
            per=per,
            key=key,
            columns=f"id, title, status, {unit}, created_at",
            about=f"an advice for better answers{whose}",
        ),
    )


ENDPOINTS = (
    _beta(
        "price_books",
        group=COMMERCE,
        path=_BOOKS,
        variants=WITH_ARCHIVED,
        scopes=("price-book-read",),
        key="id",
        columns="id, name, description, status, auto_assignment_enabled bool,"
        f" count_of_included_products integer, custom_properties json, {_TIMES},"
        " archived_at timestamp:nonzero",
        about="a price book",
        children=(
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
        key="price_book_id, id",
        columns="price_book_id = @price_book_id|priceBookId, id, product_id, product_type,"
        " product_classification, pricing_model = pricing.pricingModel, billing_frequency,"
        f" billing_period, cost_of_goods_sold double, {_TIMES}",
        about="a product in a price book",
        children=(
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
        key="id",
        columns=f"id, name, url, active bool, {_TIMES}, archived_at timestamp:nonzero",
        about="a page where people pay",
    ),
    _beta(
        "contract_changes",
        group=COMMERCE,
        path="/commerce/contracts/2026-09-beta/contracts/{contract_id}/changes",
        paging=one_answer(),
        per=Parents("contracts", {"contract_id": "id"}, changed="_hs_updated_at"),
        scopes=("crm.objects.contracts.read",),
        key="contract_id, change",
        columns="contract_id = @contract_id, change = id|hash, change_type, effective_at,"
        f" {_TIMES}",
        about="a change of a contract",
    ),
    _beta(
        "object_tags",
        group=COMMERCE,
        path="/crm/object-tags/2026-09-beta/{object_type_id}",
        paging=one_answer(),
        per="object type",
        key="object_type, id",
        columns=f"object_type = @object_type, id, name, color, {_TIMES}",
        about="a tag for records of an object type",
    ),
    _beta(
        "lead_scores",
        group=SCORES,
        path="/marketing/lead-scoring/2026-09-beta/scores",
        scopes=("mh-lead-scoring-view",),
        key="id",
        columns=f"id, name, object_type_id, score_type, active bool, {_TIMES}",
        about="a score for records",
    ),
    *_aeo(""),
    *_aeo("brand_", Parents("business_units", {"?businessUnitId": "id"}, where="id <> '0'")),
)
