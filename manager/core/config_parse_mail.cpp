// Mail: the words of global_defs, and which blocks' smtp_alert is on. keepalived's defaults: off
// for virtual routers and virtual servers, on for real servers, unless global_defs says otherwise.
#include <fmt/format.h>

#include "core/config_parse_sections.h"

namespace xlb::parse {
namespace {

constexpr uint64_t kLongestTimeoutSeconds = 3600;

// What an SMTP command and a mail's header take as it is.
bool is_plain(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "@.!#$%&'*+/=?^_`{|}~-:[]") == std::string_view::npos;
}

// "admin@example.com", also in angle brackets.
std::optional<std::string> mail_address(Sections& sections, const Word& word) {
  std::string text = word.text;
  if (text.size() > 2 && text.front() == '<' && text.back() == '>') {
    text = text.substr(1, text.size() - 2);
  }
  if (is_plain(text)) return text;
  sections.problems.error(word.spot, fmt::format("{} is not a mail address", quoted(word.text)),
                          "admin@example.com");
  return std::nullopt;
}

void read_recipients(Sections& sections, GlobalSettings& global, const Line& line) {
  { const Arguments none(line, sections.problems); }
  sections.mail_defaults.recipients = line.spot;
  sections.blocks.read_lines(BlockKind::lines, line, [&](const Line& addresses) {
    for (const Word& word : addresses.words) {
      if (auto address = mail_address(sections, word)) {
        global.mail.recipients.push_back(std::move(*address));
      }
    }
  });
}

void read_from(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a mail address")) {
    global.mail.from = mail_address(sections, *word).value_or("");
  }
}

// A host's name or address, in a URL or on a line of SMTP.
std::string host(Sections& sections, const Word& word) {
  if (is_plain(word.text) && word.text.find_first_of("@/?#") == std::string::npos) return word.text;
  sections.problems.error(word.spot, fmt::format("{} is not a host's name", quoted(word.text)));
  return "";
}

void read_server(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* name = arguments.take("a name or an address");
  if (name == nullptr) return;
  global.mail.server = host(sections, *name);
  const Word* port = arguments.take_if_any();
  if (port == nullptr) return;
  const auto number = sections.values.number(*port, "smtp_server", {1, 65535});
  if (number) global.mail.port = static_cast<uint16_t>(*number);
}

void read_helo(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  if (const Word* word = arguments.take("a name")) global.mail.helo_name = host(sections, *word);
}

void read_timeout(Sections& sections, GlobalSettings& global, const Line& line) {
  Arguments arguments(line, sections.problems);
  const Word* word = arguments.take("a number of seconds");
  if (word == nullptr) return;
  const auto seconds =
      sections.values.number(*word, "smtp_connect_timeout", {1, kLongestTimeoutSeconds});
  if (seconds) global.mail.connect_timeout = std::chrono::seconds(*seconds);
}

template <std::optional<bool> MailDefaults::*kMember>
void read_default(Sections& sections, GlobalSettings&, const Line& line) {
  Arguments arguments(line, sections.problems);
  sections.mail_defaults.*kMember = sections.values.flag(arguments);
}

void read_no_faults(Sections& sections, GlobalSettings& global, const Line& line) {
  const Arguments none(line, sections.problems);
  global.mail.faults = false;
}

// A real server's change is told once, never each check's.
void read_no_checkers(Sections& sections, GlobalSettings&, const Line& line) {
  const Arguments none(line, sections.problems);
}

constexpr WordReader<GlobalSettings> kWords[] = {
    {"notification_email", read_recipients},
    {"notification_email_from", read_from},
    {"smtp_server", read_server},
    {"smtp_helo_name", read_helo},
    {"smtp_connect_timeout", read_timeout},
    {"smtp_alert", read_default<&MailDefaults::all>},
    {"smtp_alert_vrrp", read_default<&MailDefaults::vrrp>},
    {"smtp_alert_checker", read_default<&MailDefaults::checker>},
    {"no_email_faults", read_no_faults},
    {"no_checker_emails", read_no_checkers},
};

void give(std::optional<bool>& own, std::optional<bool> nearer, std::optional<bool> farther,
          bool otherwise) {
  if (!own) own = nearer ? nearer : farther;
  if (!own) own = otherwise;
}

}  // namespace

std::span<const WordReader<GlobalSettings>> mail_words_of_global_defs() {
  return kWords;
}

void finish_mail(Sections& sections) {
  Config& config = sections.config;
  const MailDefaults& defaults = sections.mail_defaults;
  if (defaults.recipients && config.global.mail.server.empty()) {
    sections.problems.warning(*defaults.recipients,
                              "no mail is sent: global_defs names no smtp_server",
                              "smtp_server 127.0.0.1");
  }
  for (VrrpInstanceConfig& instance : config.vrrp_instances)
    give(instance.smtp_alert, defaults.vrrp, defaults.all, false);
  for (SyncGroupConfig& group : config.track.groups)
    give(group.smtp_alert, defaults.vrrp, defaults.all, false);
  for (VirtualServerConfig& server : config.virtual_servers) {
    for (RealServerConfig& real_server : server.real_servers) {
      if (!real_server.smtp_alert) real_server.smtp_alert = server.smtp_alert;
      give(real_server.smtp_alert, defaults.checker, defaults.all, true);
    }
    give(server.smtp_alert, defaults.checker, defaults.all, false);
  }
}

}  // namespace xlb::parse
