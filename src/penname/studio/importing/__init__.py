"""Import: files that a person drops become users' documents, once the person has seen what was understood of them."""
