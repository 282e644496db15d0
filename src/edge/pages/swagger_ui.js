// Starts Swagger UI over the OpenAPI of the server that served the page.
"use strict";

SwaggerUIBundle({
  url: "/api-doc/openapi.json",
  dom_id: "#swagger-ui",
  displayRequestDuration: true,
  // What "Authorize" was given outlives a reload of the page.
  persistAuthorization: true,
  // The badge would send the address of the document to somebody else's server.
  validatorUrl: null,
});
