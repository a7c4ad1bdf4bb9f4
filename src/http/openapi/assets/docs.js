// Puts Swagger UI in place of the list of operations. Requests carry the credentials with which the page was opened.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const place = document.createElement("div");
SwaggerUIBundle({
  url: "../openapi.json",
  domNode: place,
  layout: "BaseLayout",
  deepLinking: true,
  displayOperationId: true,
  tryItOutEnabled: true,
  withCredentials: true,
  defaultModelsExpandDepth: 0,
  onComplete: () => document.getElementById("operations").replaceWith(place),
});
