"use strict";
// Absolute, so that the server's address in it, which is relative, can be told from it.
const url = new URL("openapi.json", document.baseURI).href;
SwaggerUIBundle({ url, dom_id: "#swagger-ui", validatorUrl: null });
