// One attempt of a health check, on the event loop, without ever blocking it. A probe reaches out
// once, calls back once with what it found, and keeps no memory: what a result means is
// core/health.h's. One absolute deadline, connect_timeout, bounds every attempt; what the kinds do
// within it their own headers say.
//
// HTTP_GET asks for its urls one after the other and passes when all pass; the first failing url
// ends the attempt. (keepalived asks for one url per delay_loop; a real server with several urls is
// judged sooner here.) Each url has one absolute deadline, connect_timeout, for connecting and the
// whole answer: a server that drips bytes gains nothing. SSL_GET is the same over TLS, its
// handshake within the same deadline.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "core/config.h"
#include "core/health.h"
#include "io/event_loop.h"

namespace xlb {

class HttpClient;
class BodySearches;
class ScriptRunner;

// What all probes of one loop share. Outlives its probes; must not be destroyed from a probe's
// callback.
class ProbeContext {
 public:
  static Result<std::unique_ptr<ProbeContext>> create(EventLoop& loop);
  ~ProbeContext();
  ProbeContext(const ProbeContext&) = delete;
  ProbeContext& operator=(const ProbeContext&) = delete;

  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] HttpClient& http() { return *http_; }
  [[nodiscard]] BodySearches& searches() { return *searches_; }
  // Who runs MISC_CHECK's programs; a runner of the context's own without use_scripts().
  [[nodiscard]] ScriptRunner& scripts();
  void use_scripts(ScriptRunner& scripts) { scripts_ = &scripts; }
  // What was read or compiled for checks is made anew when it is needed: after a reload.
  void forget();

 private:
  ProbeContext(EventLoop& loop, std::unique_ptr<HttpClient> http);

  EventLoop& loop_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<BodySearches> searches_;
  std::unique_ptr<ScriptRunner> own_scripts_;
  ScriptRunner* scripts_ = nullptr;
};

// A running attempt; destroying it cancels it, and then it never calls back.
class Probe {
 public:
  Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  virtual ~Probe() = default;
};

// Called exactly once, from the loop, never from within start_probe(). It may destroy its probe and
// start others.
using ProbeCallback = std::function<void(const ProbeResult&)>;

// Starts one attempt. `check` must outlive it: thousands a second are not to be copied.
std::unique_ptr<Probe> start_probe(ProbeContext& context, const CheckConfig& check,
                                   ProbeCallback callback);
std::unique_ptr<Probe> start_probe(ProbeContext& context, CheckConfig&& check,
                                   ProbeCallback callback) = delete;

}  // namespace xlb
