#include "core/rate_estimator.h"

#include <doctest/doctest.h>

using namespace xlb;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const TimePoint kStart = TimePoint{} + seconds(1000);

Status::RealServer real_server(uint8_t last, uint64_t packets) {
  Status::RealServer result;
  result.endpoint = {IpAddress::v4(10, 0, 0, last), 80};
  result.traffic.packets = packets;
  return result;
}

std::vector<Status::VirtualServer> services(uint64_t packets) {
  Status::VirtualServer service;
  service.key = {IpAddress::v4(10, 0, 0, 3), 80, Protocol::tcp};
  service.traffic = {packets, packets * 100, packets / 10};
  service.real_servers = {real_server(1, packets)};
  return {service};
}

double packets_per_s(RateEstimator& estimator, std::vector<Status::VirtualServer> listing,
                     TimePoint now) {
  estimator.estimate(listing, now);
  return listing[0].real_servers[0].rates.packets_per_s;
}

}  // namespace

TEST_CASE("a steady rate is approached as by IPVS, a quarter of what lacks every two seconds") {
  RateEstimator estimator;
  CHECK(packets_per_s(estimator, services(5000), kStart) == 0);  // counted before: not a rate
  auto listing = services(5200);
  estimator.estimate(listing, kStart + seconds(2));
  CHECK(listing[0].rates.packets_per_s == doctest::Approx(25));
  CHECK(listing[0].rates.bytes_per_s == doctest::Approx(2500));
  CHECK(listing[0].rates.connections_per_s == doctest::Approx(2.5));
  CHECK(packets_per_s(estimator, services(5400), kStart + seconds(4)) == doctest::Approx(43.75));
  for (int i = 3; i <= 20; ++i)
    (void)packets_per_s(estimator, services(5000 + 200 * i), kStart + seconds(2 * i));
  CHECK(packets_per_s(estimator, services(9200), kStart + seconds(42)) ==
        doctest::Approx(100).epsilon(0.01));
}

TEST_CASE("looks at other times weigh by the time that passed") {
  RateEstimator often;
  RateEstimator seldom;
  (void)packets_per_s(often, services(0), kStart);
  (void)packets_per_s(seldom, services(0), kStart);
  (void)packets_per_s(often, services(200), kStart + seconds(2));
  (void)packets_per_s(often, services(400), kStart + seconds(4));
  CHECK(packets_per_s(seldom, services(600), kStart + seconds(6)) ==
        doctest::Approx(packets_per_s(often, services(600), kStart + seconds(6))));
}

TEST_CASE("between two looks the rate stays, however often it is asked for") {
  RateEstimator estimator;
  (void)packets_per_s(estimator, services(0), kStart);
  const double rate = packets_per_s(estimator, services(200), kStart + seconds(2));
  for (int i = 1; i < 20; ++i)
    CHECK(packets_per_s(estimator, services(200), kStart + seconds(2) + milliseconds(100 * i)) ==
          rate);
  CHECK(packets_per_s(estimator, services(200), kStart + seconds(4)) < rate);
}

TEST_CASE("a counter that begins anew gives no rate, and goes on from there") {
  RateEstimator estimator;
  (void)packets_per_s(estimator, services(1000), kStart);
  CHECK(packets_per_s(estimator, services(10), kStart + seconds(2)) == 0);
  CHECK(packets_per_s(estimator, services(210), kStart + seconds(4)) == doctest::Approx(25));
}

TEST_CASE("who stays keeps its rate when others come, go or change places") {
  RateEstimator estimator;
  (void)packets_per_s(estimator, services(0), kStart);
  const double rate = packets_per_s(estimator, services(200), kStart + seconds(2));
  auto listing = services(200);
  listing.insert(listing.begin(), listing[0]);
  listing[0].key.port = 443;
  listing[1].real_servers.insert(listing[1].real_servers.begin(), real_server(2, 77));
  listing[1].sorry_server = real_server(9, 1);
  estimator.estimate(listing, kStart + seconds(3));
  CHECK(listing[0].rates.packets_per_s == 0);
  CHECK(listing[1].rates.packets_per_s == rate);
  CHECK(listing[1].real_servers[0].rates.packets_per_s == 0);
  CHECK(listing[1].real_servers[1].rates.packets_per_s == rate);
  CHECK(listing[1].sorry_server->rates.packets_per_s == 0);
  CHECK(packets_per_s(estimator, services(200), kStart + seconds(3)) == rate);
}
