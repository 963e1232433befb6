package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// The Go client refuses to start for a topic without a route; after the first send has created it, it starts.
func consumerBeforeTopic(s *scope) {
	topic, group := s.unique("t"), s.unique("g")
	_, err := s.tryPush(group, topic, "*", func(*primitive.MessageExt) consumer.ConsumeResult { return consumer.ConsumeSuccess })
	check(err != nil, "a consumer of an unknown topic started")
	s.sendNumbers(topic, "x", 0, 20)
	r := s.gather(group, topic, "*")
	r.awaitNumbers(40, span(0, 20))
}

func consumerAfterTopic(s *scope) {
	topic := s.unique("t")
	s.sendNumbers(topic, "x", 0, 20)
	r := s.gather(s.unique("g"), topic, "*")
	r.awaitNumbers(20, span(0, 20))
	s.sendNumbers(topic, "x", 20, 20)
	r.awaitNumbers(20, span(0, 40))
	r.once(40)
	queues, _, _ := s.adminClient()
	same(4, queues(topic), "queues of a topic created by sending")
}

func delayLevels(s *scope) {
	topic := s.newTopic("t", 1)
	var mutex sync.Mutex
	came := map[int]time.Time{}
	s.push(s.unique("g"), topic, "*", func(m *primitive.MessageExt) consumer.ConsumeResult {
		mutex.Lock()
		defer mutex.Unlock()
		came[number(m)] = time.Now()
		return consumer.ConsumeSuccess
	})
	size := func() int { mutex.Lock(); defer mutex.Unlock(); return len(came) }
	s.sendNumbers(topic, "x", 99, 1)
	await(20, func() bool { return size() == 1 }, func() string { return "the consumer does not work" })
	start := time.Now()
	for _, level := range []int{2, 1, 0} {
		s.send(primitive.NewMessage(topic, []byte(strconv.Itoa(level))).WithDelayTimeLevel(level))
	}
	await(20, func() bool { return size() == 4 }, func() string { return fmt.Sprintf("%d of 4 came", size()) })
	mutex.Lock()
	defer mutex.Unlock()
	within(0, 5*time.Second, came[0].Sub(start), "an undelayed message")
	within(900*time.Millisecond, 6*time.Second, came[1].Sub(start), "a message of level 1 (1 s)")
	within(4900*time.Millisecond, 12*time.Second, came[2].Sub(start), "a message of level 2 (5 s)")
}

func pushClustering(s *scope) {
	topic := s.newTopic("t", 4)
	s.sendNumbers(topic, "x", 0, 100)
	r := s.gather(s.unique("g"), topic, "*")
	r.awaitNumbers(20, span(0, 100))
	s.sendNumbers(topic, "x", 100, 100)
	r.awaitNumbers(20, span(0, 200))
	r.once(200)
}

// A new broadcasting consumer of Go starts at the end, whatever its option says: wait until both get what is sent.
func pushBroadcast(s *scope) {
	topic, group := s.newTopic("t", 2), s.unique("g")
	one := s.gather(group, topic, "*", consumer.WithConsumerModel(consumer.BroadCasting))
	two := s.gather(group, topic, "*", consumer.WithConsumerModel(consumer.BroadCasting))
	next := 0
	queues := func(r *received) int {
		seen := map[int]bool{}
		for _, m := range r.list() {
			seen[m.Queue.QueueId] = true
		}
		return len(seen)
	}
	await(40, func() bool {
		s.sendNumbers(topic, "x", next, 2)
		next += 2
		time.Sleep(200 * time.Millisecond)
		return queues(one) == 2 && queues(two) == 2
	}, func() string { return "both consumers get messages of both queues" })
	expected := span(next, 50)
	s.sendNumbers(topic, "x", next, 50)
	one.awaitNumbers(20, expected)
	two.awaitNumbers(20, expected)
}

func tagFilter(s *scope) {
	topic := s.newTopic("t", 2)
	tags := []string{"A", "B", "C", "AB", ""}
	expected := map[int]bool{}
	send := func(first, count int) {
		for i := first; i < first+count; i++ {
			s.sendNumbers(topic, tags[i%5], i, 1)
			if i%5 < 2 {
				expected[i] = true
			}
		}
	}
	send(0, 100)
	some := s.gather(s.unique("some"), topic, "A || B")
	all := s.gather(s.unique("all"), topic, "*")
	all.awaitNumbers(20, span(0, 100))
	some.awaitNumbers(20, expected)
	send(100, 40)
	all.awaitNumbers(20, span(0, 140))
	some.awaitNumbers(20, expected)
	same(expected, some.numbers(), "numbers that passed 'A || B'")
	some.once(len(expected))
}

func fromFirst(s *scope) {
	topic := s.newTopic("t", 2)
	s.sendNumbers(topic, "x", 0, 30)
	r := s.gather(s.unique("g"), topic, "*", consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	r.awaitNumbers(20, span(0, 30))
}

// See from-last of the Java client: a young topic is read from 0.
func fromLast(s *scope) {
	topic := s.newTopic("t", 2)
	s.sendNumbers(topic, "x", 0, 30)
	r := s.gather(s.unique("g"), topic, "*", consumer.WithConsumeFromWhere(consumer.ConsumeFromLastOffset))
	r.awaitNumbers(20, span(0, 30))
	s.sendNumbers(topic, "x", 30, 30)
	r.awaitNumbers(20, span(0, 60))
}

func fromTimestamp(s *scope) {
	topic := s.newTopic("t", 2)
	s.sendNumbers(topic, "x", 0, 10)
	pause()
	middle := time.Now().Truncate(time.Second)
	s.sendNumbers(topic, "x", 10, 20)
	r := s.gather(s.unique("g"), topic, "*", consumer.WithConsumeFromWhere(consumer.ConsumeFromTimestamp),
		consumer.WithConsumeTimestamp(middle.Format("20060102150405")))
	r.awaitNumbers(20, span(10, 20))
}

func offsetRestart(s *scope) {
	topic, group := s.newTopic("t", 4), s.unique("g")
	s.sendNumbers(topic, "x", 0, 60)
	first := s.gather(group, topic, "*")
	first.awaitNumbers(20, span(0, 60))
	must(first.consumer.Shutdown(), "shutdown")
	s.sendNumbers(topic, "x", 60, 40)
	second := s.gather(group, topic, "*")
	second.awaitNumbers(40, span(60, 40))
	s.sendNumbers(topic, "x", 100, 10)
	second.awaitNumbers(20, span(60, 50))
	second.once(50)
}

func pullSubscribe(s *scope) {
	topic, group := s.newTopic("t", 2), s.unique("g")
	poll := func(expected map[int]bool) {
		c := s.newPullConsumer(group, topic, "A || B")
		got := map[int]bool{}
		await(40, func() bool {
			request, err := c.Poll(context.Background(), 200*time.Millisecond)
			if err != nil {
				check(consumer.IsNoNewMsgError(err), "poll: %v", err)
				return false
			}
			for i := range numbers(request.GetMsgList()) {
				got[i] = true
			}
			c.ACK(context.Background(), request, consumer.ConsumeSuccess)
			return len(got) >= len(expected)
		}, func() string { return fmt.Sprintf("polled %d of %d", len(got), len(expected)) })
		same(expected, got, "messages polled")
		must(c.PersistOffset(context.Background(), topic), "persist")
		must(c.Shutdown(), "shutdown")
	}
	s.sendNumbers(topic, "A", 0, 30)
	s.sendNumbers(topic, "C", 30, 10)
	s.sendNumbers(topic, "B", 40, 30)
	expected := span(0, 30)
	for i := range span(40, 30) {
		expected[i] = true
	}
	poll(expected)
	s.sendNumbers(topic, "A", 70, 20)
	poll(span(70, 20))
}

// Pulls from given offsets of a given queue: the Go client's assign and seek.
func pullFrom(s *scope) {
	topic := s.newTopic("t", 1)
	results := s.sendNumbers(topic, "x", 0, 40)
	c := s.newPullConsumer(s.unique("g"), topic, "*")
	pull := func(offset int64, n int) *primitive.PullResult {
		q := *results[0].MessageQueue
		r, err := c.PullFrom(context.Background(), &q, offset, n)
		must(err, "pull")
		return r
	}
	r := pull(10, 7)
	same(primitive.PullFound, r.Status, "status")
	same(span(10, 7), numbers(r.GetMessageExts()), "seven from offset 10")
	same(int64(17), r.NextBeginOffset, "next offset")
	same(int64(0), r.MinOffset, "min offset")
	same(int64(40), r.MaxOffset, "max offset")
	same(span(0, 32), numbers(pull(0, 32).GetMessageExts()), "32 from the begin")
	same(span(39, 1), numbers(pull(39, 32).GetMessageExts()), "the last")
	r = pull(1000, 32)
	same(primitive.PullOffsetIllegal, r.Status, "status far beyond the end")
	same(int64(40), r.NextBeginOffset, "next offset far beyond the end")
	same(int64(40), r.MaxOffset, "max offset")
}

func longPoll(s *scope) {
	topic := s.newTopic("t", 1)
	results := s.sendNumbers(topic, "x", 0, 3)
	c := s.newPullConsumer(s.unique("g"), topic, "*")
	best := time.Hour
	for i := 3; i < 6; i++ {
		came := make(chan time.Time, 1)
		var pulled *primitive.PullResult
		var err error
		go func() {
			q := *results[0].MessageQueue
			pulled, err = c.PullFrom(context.Background(), &q, int64(i), 32)
			came <- time.Now()
		}()
		time.Sleep(700 * time.Millisecond)
		check(len(came) == 0, "the pull waits while there is nothing: %v %v", pulled, err)
		start := time.Now()
		s.sendNumbers(topic, "x", i, 1)
		select {
		case at := <-came:
			must(err, "pull")
			same(span(i, 1), numbers(pulled.GetMessageExts()), "message of a pull that waited")
			if at.Sub(start) < best {
				best = at.Sub(start)
			}
		case <-time.After(15 * time.Second):
			fail("a waiting pull is not woken within 15 s")
		}
	}
	within(0, 999*time.Millisecond, best, "from the send to the answer of a waiting pull, best of three")
}

// The Go client asks the name servers of its list in turn, and goes on to the next when one is dead.
func deadNameServer(s *scope, first bool) {
	topic := s.newTopic("t", 2)
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	must(err, "a free port")
	dead := listen.Addr().String()
	must(listen.Close(), "close")
	other := newScope(s.run, s.name)
	defer other.close()
	other.servers = []string{s.namesrv, dead}
	if first {
		other.servers = []string{dead, s.namesrv}
	}
	r := other.gather(s.unique("g"), topic, "*")
	other.sendNumbers(topic, "x", 0, 20)
	r.awaitNumbers(40, span(0, 20))
}
