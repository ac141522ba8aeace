// Fetches a page exactly as an HTTP_GET check does and prints the digest that the check would
// compare, in the words of keepalived's genhash.
#include "genhash.h"

#include <fmt/format.h>
#include <getopt.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string_view>

#include "io/event_loop.h"
#include "io/probe/http_client.h"

namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr std::string_view kHelp =
    "usage: xlbctl genhash -s ADDR -p PORT -u PATH [-S] [-V HOST]\n"
    "Print the MD5 of a page's body, for the `digest` of an HTTP_GET check.\n"
    "  -s, --server ADDR           the server's address\n"
    "  -p, --port PORT             its port\n"
    "  -u, --url PATH              the page, as the check's `path`\n"
    "  -S, --use-ssl               over TLS; the certificate is not verified\n"
    "  -V, --use-virtualhost HOST  the Host header; default ADDR:PORT\n"
    "  -h, --help                  print this\n";

int complain(int status, std::string_view error, std::string_view hint) {
  fmt::print(stderr, "error: {}\n", error);
  if (!hint.empty()) fmt::print(stderr, "hint: {}\n", hint);
  return status;
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

struct Options {
  std::string server;
  std::string port;
  std::string url;
  std::string virtual_host;
  bool tls = false;
  bool help = false;
};

constexpr option kLong[] = {{"server", required_argument, nullptr, 's'},
                            {"port", required_argument, nullptr, 'p'},
                            {"url", required_argument, nullptr, 'u'},
                            {"use-ssl", no_argument, nullptr, 'S'},
                            {"use-virtualhost", required_argument, nullptr, 'V'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};

// nullopt: an option is unknown or lacks its argument; `culprit` says which.
std::optional<Options> parse_options(const std::vector<std::string>& arguments,
                                     std::string& culprit) {
  // getopt wants a mutable argv, its first element the program.
  std::vector<std::string> words{"genhash"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  const int count = static_cast<int>(words.size());

  Options options;
  optind = 0;  // start anew: main may have used getopt
  for (;;) {
    const int letter = getopt_long(count, argv.data(), ":s:p:u:SV:h", kLong, nullptr);
    if (letter == -1) break;
    switch (letter) {
      case 's':
        options.server = optarg;
        break;
      case 'p':
        options.port = optarg;
        break;
      case 'u':
        options.url = optarg;
        break;
      case 'V':
        options.virtual_host = optarg;
        break;
      case 'S':
        options.tls = true;
        break;
      case 'h':
        options.help = true;
        break;
      case ':':
        culprit = fmt::format("option {} needs an argument", argv[static_cast<size_t>(optind - 1)]);
        return std::nullopt;
      default:
        // Letters may stand together ("-xS"), so getopt knows better than argv which one it was.
        culprit = optopt != 0
                      ? fmt::format("unknown option -{}", static_cast<char>(optopt))
                      : fmt::format("unknown option {}", argv[static_cast<size_t>(optind - 1)]);
        return std::nullopt;
    }
  }
  if (optind < count) {
    culprit = fmt::format("unexpected argument '{}'", argv[static_cast<size_t>(optind)]);
    return std::nullopt;
  }
  return options;
}

xlb::Result<xlb::HttpResponse> fetch(const xlb::HttpRequest& request) {
  auto loop = xlb::EventLoop::create();
  if (!loop) return loop.error();
  auto client = xlb::HttpClient::create(**loop);
  if (!client) return client.error();
  std::optional<xlb::Result<xlb::HttpResponse>> response;
  const auto exchange = (*client)->get(request, [&](const auto& received) {
    response = received;
    (*loop)->stop();
  });
  if (auto ran = (*loop)->run(); !ran) return ran.error();
  return *response;
}

int print_digest(const xlb::HttpResponse& response) {
  fmt::print("MD5SUM = {}\n", response.digest);
  if (response.status < 200 || response.status > 299) {
    fmt::print(stderr,
               "hint: this is the body of an HTTP {0} answer: the check needs `status_code {0}`\n",
               response.status);
  }
  if (response.body_bytes == 0) {
    fmt::print(stderr,
               "hint: the body is empty: a check with this digest passes for any empty body\n");
  }
  return kOk;
}

}  // namespace

int genhash(const std::vector<std::string>& arguments) {
  constexpr std::string_view kSeeHelp = "see xlbctl genhash --help";
  std::string culprit;
  const std::optional<Options> options = parse_options(arguments, culprit);
  if (!options) return complain(kUsage, culprit, kSeeHelp);
  if (options->help) {
    fmt::print("{}", kHelp);
    return kOk;
  }
  if (options->server.empty() || options->port.empty() || options->url.empty()) {
    return complain(kUsage, "genhash needs -s ADDR, -p PORT and -u PATH", kSeeHelp);
  }
  const auto address = xlb::IpAddress::parse(options->server);
  if (!address) {
    return complain(kUsage, fmt::format("'{}' is not an address", options->server),
                    "checks look no names up: give the real server's address");
  }
  const auto port = parse_port(options->port);
  if (!port)
    return complain(kUsage, fmt::format("'{}' is not a port", options->port), "1 to 65535");

  xlb::HttpRequest request;
  request.server = {*address, *port};
  request.path = options->url;
  request.virtual_host = options->virtual_host;
  request.tls = options->tls;
  request.timeout = std::chrono::seconds(5);  // connect_timeout's default
  request.wants_body = [](int) { return true; };
  (void)std::signal(SIGPIPE, SIG_IGN);  // a server that closes during the TLS handshake
  const auto response = fetch(request);
  if (!response) {
    const std::string& cause = response.error().text;
    return complain(kFailed,
                    fmt::format("cannot fetch {} from {}: {}", request.path, request.server, cause),
                    request.path.front() == '/' ? "" : "a path begins with /");
  }
  return print_digest(*response);
}
