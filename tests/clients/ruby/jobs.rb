# The jobs that sidekiq.rb asks for, and what `sidekiq -r` loads.

require "sidekiq"

URL = "redis://127.0.0.1:6379/0".freeze
Sidekiq.configure_client { |config| config.redis = { url: URL } }
Sidekiq.configure_server do |config|
  config.redis = { url: URL }
  config.average_scheduled_poll_interval = 1
  config.logger.level = Logger::WARN
end

class Count
  include Sidekiq::Worker

  def perform(number, seconds = 0)
    Sidekiq.redis { |r| r.hincrby("begun", number, 1) }
    sleep seconds
    Sidekiq.redis { |r| r.hincrby("done", number, 1) }
  end
end

class FailsTwice
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 1 }

  def perform
    tries = Sidekiq.redis { |r| r.incr("tries") }
    raise "not yet" if tries < 3
  end
end
