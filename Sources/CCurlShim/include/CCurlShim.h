#pragma once
#include <curl/curl.h>

/* libcurl's setters and getters are variadic, which Swift cannot call: one typed door each. */
CURLcode exq_curl_set_long(CURL *handle, CURLoption option, long value);
CURLcode exq_curl_set_string(CURL *handle, CURLoption option, const char *value);
CURLcode exq_curl_set_pointer(CURL *handle, CURLoption option, void *value);
CURLcode exq_curl_set_write(
    CURL *handle, size_t (*callback)(char *, size_t, size_t, void *), void *context);
CURLcode exq_curl_set_header(
    CURL *handle, size_t (*callback)(char *, size_t, size_t, void *), void *context);
CURLcode exq_curl_get_long(CURL *handle, CURLINFO info, long *value);
