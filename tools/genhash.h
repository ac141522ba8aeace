// xlbctl genhash: the MD5 of a page's body, for an HTTP_GET check's `digest`.
#pragma once

#include <string>
#include <vector>

// `arguments` are those after the word "genhash". Returns the exit status: 0, 1 failed, 2 usage.
int genhash(const std::vector<std::string>& arguments);
