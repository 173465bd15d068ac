# Sidekiq: jobs, schedules, retries, a server that is restarted, and a warm shutdown.

require "socket"
require_relative "jobs"
require "sidekiq/api"

$stdout.sync = true
HERE = __dir__

# Asks the harness for a restart: see harness.py.
def control(line)
  TCPSocket.open("127.0.0.1", 6381) do |socket|
    socket.puts line
    answer = socket.gets.strip
    raise "#{line}: #{answer}" unless answer == "ok"
  end
end

def shown(what)
  puts "shown #{what}"
end

def eventually(seconds = 30)
  limit = Time.now + seconds
  loop do
    begin
      return true if yield
    rescue Redis::BaseConnectionError
      nil
    end
    raise "never became true" if Time.now > limit

    sleep 0.02
  end
end

def redis(&block)
  Sidekiq.redis(&block)
end

def start
  spawn("sidekiq", "-r", "#{HERE}/jobs.rb", "-c", "4", "-t", "5")
end

process = start
begin
  100.times { |i| Count.perform_async(i) }
  eventually { redis { |r| r.hlen("done") } == 100 }
  shown "jobs"

  asked = Time.now
  Count.perform_in(1, 200)
  raise "it is scheduled" unless Sidekiq::ScheduledSet.new.size == 1

  eventually { redis { |r| r.hexists("done", 200) } }
  raise "it was too early" if Time.now - asked < 0.9

  shown "schedules"

  FailsTwice.perform_async
  eventually(60) { redis { |r| r.get("tries") } == "3" && Sidekiq::RetrySet.new.size.zero? }
  shown "retries"

  20.times { |i| Count.perform_async(300 + i, 0.8) }
  eventually { redis { |r| r.hlen("begun") } >= 105 }
  # In the middle of jobs: one that the server has just handed out is lost with the connection, whatever the server.
  sleep 0.4
  control "restart"
  eventually { (300...320).all? { |i| redis { |r| r.hexists("done", i) } } }
  shown "a restart of the server"

  8.times { |i| Count.perform_async(400 + i, 1) }
  eventually { redis { |r| r.hlen("begun") } >= 122 }
  Process.kill("TERM", process)
  Process.wait(process)
  process = start
  eventually { (400...408).all? { |i| redis { |r| r.hexists("done", i) } } }
  shown "a warm shutdown"
ensure
  Process.kill("KILL", process)
end
