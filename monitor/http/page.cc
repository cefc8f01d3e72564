#include "monitor/http/page.h"

#include "monitor/http/assets.h"

namespace pgaf::monitor {
namespace {

/// Scripts, styles and data come from this monitor and from nowhere else, and the page is nobody's frame.
constexpr auto policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

/// If-None-Match: a list of tags, weak ones too, or a star.
bool names(const std::string& list, std::string_view etag) {
    return list == "*" || list.find(etag) != std::string::npos;
}

}  // namespace

std::optional<http::Response> page_response(const http::Request& request) {
    const Asset* asset = find_asset(request.path);
    if (!asset) return std::nullopt;
    http::Response response;
    response.content_type = asset->content_type;
    // A newer monitor may have a newer page: a browser keeps its copy, and asks each time whether it still holds.
    response.headers = {{"Cache-Control", "no-cache"},
                        {"ETag", std::string(asset->etag)},
                        {"Content-Security-Policy", policy},
                        {"Referrer-Policy", "no-referrer"},
                        {"Cross-Origin-Opener-Policy", "same-origin"},
                        {"Cross-Origin-Resource-Policy", "same-origin"}};
    const auto kept = request.headers.find("if-none-match");
    if (kept != request.headers.end() && names(kept->second, asset->etag))
        response.status = 304;
    else
        response.body = asset->bytes;
    return response;
}

}  // namespace pgaf::monitor
