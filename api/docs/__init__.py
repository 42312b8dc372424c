"""The documents of the API: OpenAPI, AsyncAPI, Postman, and the pages that show them."""
