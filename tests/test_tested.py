"""The page of what is tested is as the tests are."""

from tests.tested import PAGE, page


def test_the_page_of_what_is_tested_is_of_these_tests():
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.tested makes it anew"
