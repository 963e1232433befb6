// Command interop runs the cases of the official Go client, rocketmq-client-go v2, against a name server and its
// brokers: a line each, and a non-zero exit if one failed.
//
//	interop --namesrv ip:port --broker ip:port [--group clients|restart] [--only CASE[,CASE]] [--threads N] [--list]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// A failed check ends its case by a panic with this value.
type failure struct{ reason string }

func (f failure) Error() string { return f.reason }

type testCase struct {
	group string
	name  string
	run   func(*scope)
}

// The cases of group clients are independent and run side by side; those that wait longest come first.
var cases = []testCase{
	{"clients", "dlq", deadLetter},
	{"clients", "retry", retry},
	{"clients", "rebalance-kill", rebalanceKill},
	{"clients", "rebalance-clean", rebalanceClean},
	{"clients", "consumer-before-topic", consumerBeforeTopic},
	{"clients", "consumer-after-topic", consumerAfterTopic},
	{"clients", "delay-levels", delayLevels},
	{"clients", "push-clustering", pushClustering},
	{"clients", "push-broadcast", pushBroadcast},
	{"clients", "tag-filter", tagFilter},
	{"clients", "from-first", fromFirst},
	{"clients", "from-last", fromLast},
	{"clients", "from-timestamp", fromTimestamp},
	{"clients", "offset-restart", offsetRestart},
	{"clients", "pull-subscribe", pullSubscribe},
	{"clients", "pull-from", pullFrom},
	{"clients", "long-poll", longPoll},
	{"clients", "producer-sync", producerSync},
	{"clients", "producer-async", producerAsync},
	{"clients", "producer-oneway", producerOneway},
	{"clients", "producer-batch", producerBatch},
	{"clients", "large-body", largeBody},
	{"clients", "non-ascii", nonASCII},
	{"clients", "size-limit", sizeLimit},
	{"clients", "order-selector", orderBySelector},
	{"clients", "create-topic", createTopic},
	{"clients", "namesrv-dead-first", func(s *scope) { deadNameServer(s, true) }},
	{"clients", "namesrv-dead-last", func(s *scope) { deadNameServer(s, false) }},
	{"restart", "restart-kill9", func(s *scope) { restart(s, "crash") }},
	{"restart", "restart-clean", func(s *scope) { restart(s, "stop") }},
}

func main() {
	var r run
	flag.StringVar(&r.namesrv, "namesrv", "127.0.0.1:9876", "name server")
	flag.StringVar(&r.broker, "broker", "127.0.0.1:10911", "broker, for the admin API")
	flag.StringVar(&r.client, "client", "go", "name of this client in the output")
	group := flag.String("group", "clients", "group of cases")
	only := flag.String("only", "", "cases, by name")
	threads := flag.Int("threads", 10, "cases at a time")
	list := flag.Bool("list", false, "list the cases")
	child := flag.String("child", "", "consume as TOPIC,GROUP,FILE until killed (used by rebalance-kill)")
	flag.Parse()
	rlog.SetLogLevel("fatal")
	// The client reports an asynchronous send that timed out, and then fails on the answer that it has not got.
	primitive.PanicHandler = func(any) {}
	r.id = "it" + strconv.FormatInt(time.Now().UnixMilli()%100_000_000, 36) + "_" + r.client
	if *child != "" {
		consumeAsChild(&r, strings.Split(*child, ","))
	}

	wanted := map[string]bool{}
	for _, name := range strings.Split(*only, ",") {
		if name != "" {
			wanted[name] = true
		}
	}
	if *group != "clients" {
		*threads = 1
	}
	slots := make(chan struct{}, *threads)
	var all sync.WaitGroup
	var failed bool
	for _, c := range cases {
		if *list {
			fmt.Println(c.group, c.name)
			continue
		}
		if c.group != *group || len(wanted) > 0 && !wanted[c.name] {
			continue
		}
		slots <- struct{}{}
		all.Add(1)
		go func(c testCase) {
			defer all.Done()
			defer func() { <-slots }()
			if !one(&r, c) {
				r.mutex.Lock()
				failed = true
				r.mutex.Unlock()
			}
		}(c)
	}
	all.Wait()
	if failed {
		os.Exit(1)
	}
}

func one(r *run, c testCase) (passed bool) {
	start := time.Now()
	s := newScope(r, c.name)
	what := func() string { return fmt.Sprintf("%s %s (%.1f s)", r.client, c.name, time.Since(start).Seconds()) }
	defer func() {
		problem := recover()
		s.close()
		if problem == nil {
			r.print("PASS " + what())
			passed = true
			return
		}
		line := fmt.Sprintf("FAIL %s: %v", what(), problem)
		if _, expected := problem.(failure); !expected {
			line += "\n     " + strings.ReplaceAll(string(debug.Stack()), "\n", "\n     ")
		}
		r.print(line)
	}()
	c.run(s)
	return
}
