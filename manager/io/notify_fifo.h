// A FIFO that tells a reader what happens, one line an event, in order. The daemon never waits for
// the reader: the kernel keeps 64 KiB of lines, more wait here, and beyond that the oldest waiting
// ones are lost, and counted. It must not know what the lines say.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/config_track.h"
#include "io/event_loop.h"

namespace xlb {

class NotifyFifo {
 public:
  // Makes the FIFO (mode 0600, of the configured user and group) unless it exists.
  static Result<std::unique_ptr<NotifyFifo>> open(EventLoop& loop, const NotifyFifoConfig& config);
  // Removes the FIFO if open() made it.
  ~NotifyFifo();
  NotifyFifo(const NotifyFifo&) = delete;
  NotifyFifo& operator=(const NotifyFifo&) = delete;

  // `line` without its newline.
  void write(const std::string& line);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t lines() const { return lines_; }  // written or waiting
  [[nodiscard]] uint64_t lost() const { return lost_; }
  // The reader has everything.
  [[nodiscard]] bool drained() const;

 private:
  NotifyFifo(EventLoop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}
  void flush();

  EventLoop& loop_;
  std::string path_;
  bool made_ = false;
  UniqueFd fd_;
  EventLoop::Watch watch_;
  std::deque<std::string> waiting_;  // whole lines
  uint64_t lines_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace xlb
