// go-redis, in the version that Debian has.    goredis [load SECONDS]
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"gopkg.in/redis.v5"
)

const (
	proxyPort   = "127.0.0.1:6380"
	controlPort = "127.0.0.1:6381"
)

var big = strings.Repeat("0123456789", 20000)

// Asks the harness for a restart or a cut: see harness.py.
func control(line string) {
	end, err := net.Dial("tcp", controlPort)
	must(err)
	defer end.Close()
	fmt.Fprintln(end, line)
	answer, err := bufio.NewReader(end).ReadString('\n')
	must(err)
	check(answer == "ok\n", line+": "+answer)
}

func must(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func check(holds bool, what interface{}) {
	if !holds {
		log.Panic(what)
	}
}

func shown(what string) { fmt.Println("shown " + what) }

func eventually(try func() error) {
	until := time.Now().Add(20 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		check(time.Now().Before(until), err)
		time.Sleep(20 * time.Millisecond)
	}
}

func connect(address string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: address, MaxRetries: 0})
}

func pipelines(r *redis.Client) {
	gets := make([]*redis.StringCmd, 1000)
	_, err := r.Pipelined(func(pipe *redis.Pipeline) error {
		for i := range gets {
			pipe.Set(fmt.Sprint("k", i), i, 0)
			gets[i] = pipe.Get(fmt.Sprint("k", i))
		}
		return nil
	})
	must(err)
	for i, got := range gets {
		check(got.Val() == strconv.Itoa(i), got)
	}
	shown("pipeline")
}

func transactions(r *redis.Client) {
	tries := 0
	err := r.Watch(func(tx *redis.Tx) error {
		n, err := tx.Get("n").Int64()
		if err != nil && err != redis.Nil {
			return err
		}
		tries++
		must(r.Incr("n").Err())
		_, err = tx.Pipelined(func(pipe *redis.Pipeline) error {
			pipe.Set("n", n+100, 0)
			return nil
		})
		return err
	}, "n")
	check(err == redis.TxFailedErr && tries == 1, err)
	commands, err := r.TxPipelined(func(pipe *redis.Pipeline) error {
		pipe.Incr("n")
		pipe.ZAdd("board", redis.Z{Score: 5, Member: "ann"})
		return nil
	})
	must(err)
	check(commands[0].(*redis.IntCmd).Val() == 2, commands)
	shown("transaction")
}

func messages(r *redis.Client) {
	pubsub, err := r.Subscribe("news")
	must(err)
	defer pubsub.Close()
	must(pubsub.PSubscribe("w*"))
	eventually(func() error {
		if n := r.PubSubNumPat().Val(); n != 1 {
			return fmt.Errorf("%d patterns", n)
		}
		return nil
	})
	must(r.Publish("news", "one").Err())
	must(r.Publish("weather", "two").Err())
	for _, expected := range []string{"one", "two"} {
		message, err := pubsub.ReceiveMessage()
		must(err)
		check(message.Payload == expected, message)
	}
	// It subscribes again by itself.
	control("restart")
	eventually(func() error {
		if n := r.Publish("news", "again").Val(); n != 1 {
			go pubsub.ReceiveTimeout(time.Millisecond)
			return fmt.Errorf("%d hear it", n)
		}
		return nil
	})
	shown("pubsub")
}

func blocking(r *redis.Client) {
	go func() {
		time.Sleep(50 * time.Millisecond)
		must(r.RPush("jobs", "job").Err())
	}()
	popped, err := r.BLPop(10*time.Second, "jobs").Result()
	must(err)
	check(popped[1] == "job", popped)
	_, err = r.BLPop(time.Second, "jobs").Result()
	check(err == redis.Nil, err)
	shown("blocking")
}

func scripts(r *redis.Client) {
	must(r.ScriptFlush().Err())
	add := redis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
	for _, expected := range []int64{5, 10} {
		sum, err := add.Run(r, []string{"sum"}, 5).Result()
		must(err)
		check(sum == expected, sum)
	}
	shown("script")
}

func reconnects(r *redis.Client) {
	for _, how := range []string{"restart", "kill"} {
		control(how)
		eventually(func() error { return r.Ping().Err() })
		check(r.Get("n").Val() == "2", r.Get("n"))
	}
	shown("reconnect")
}

func cuts(r *redis.Client) {
	must(r.Set("big", big, 0).Err())
	cut := connect(proxyPort)
	for _, after := range []int{0, 1, 5, 1000, 100000} {
		eventually(func() error { return cut.Ping().Err() })
		control(fmt.Sprint("cut ", after))
		// Some versions ask again by themselves; half a value is never one.
		got, err := cut.Get("big").Result()
		check(err != nil || got == big, "a part of a value is no value")
		eventually(func() error { return cut.Ping().Err() })
		check(cut.Get("n").Val() == "2" && cut.Get("big").Val() == big, "it goes on")
	}
	shown("cut")
}

// What was confirmed is there at the end, though servers come and go.
func load(seconds float64) {
	r := connect("127.0.0.1:6379")
	must(r.Del("load:go-redis", "load:go-redis:board").Err())
	confirmed, asked := int64(0), int64(0)
	until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for time.Now().Before(until) {
		asked++
		commands, err := r.TxPipelined(func(pipe *redis.Pipeline) error {
			pipe.Incr("load:go-redis")
			pipe.ZAdd("load:go-redis:board", redis.Z{Score: float64(asked), Member: asked})
			return nil
		})
		if err == nil {
			confirmed = commands[0].(*redis.IntCmd).Val()
		} else {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Millisecond)
	}
	eventually(func() error { return r.Ping().Err() })
	counted, err := r.Get("load:go-redis").Int64()
	must(err)
	check(confirmed <= counted && counted > 0, fmt.Sprint(confirmed, " ", counted))
	// A client that asks again by itself may have added the same member twice.
	members := r.ZCard("load:go-redis:board").Val()
	check(members <= counted && members >= confirmed/2, fmt.Sprint(members, " ", counted))
	shown(fmt.Sprintf("load: %d of %d", counted, asked))
}

// Over TLS, with a certificate of its own.
func secure(port string, folder string) {
	pair, err := tls.LoadX509KeyPair(folder+"/client.crt", folder+"/client.key")
	must(err)
	text, err := os.ReadFile(folder + "/ca.crt")
	must(err)
	authorities := x509.NewCertPool()
	check(authorities.AppendCertsFromPEM(text), "no authority")
	r := redis.NewClient(&redis.Options{
		Addr:      "localhost:" + port,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: authorities, ServerName: "localhost"},
	})
	must(r.Set("go-redis", big, 0).Err())
	check(r.Get("go-redis").Val() == big, "not what was set")
	shown("go-redis")
}

func main() {
	if len(os.Args) > 3 && os.Args[1] == "tls" {
		secure(os.Args[2], os.Args[3])
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "load" {
		seconds, err := strconv.ParseFloat(os.Args[2], 64)
		must(err)
		load(seconds)
		return
	}
	r := connect("127.0.0.1:6379")
	must(r.FlushAll().Err())
	must(r.Set("greeting", "hello", time.Minute).Err())
	check(r.Get("greeting").Val() == "hello", r.Get("greeting"))
	shown("connect")
	pipelines(r)
	transactions(r)
	messages(r)
	blocking(r)
	scripts(r)
	reconnects(r)
	cuts(r)
}
