package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// byNumber sends message n to queue n modulo the number of queues.
type byNumber struct{}

func (byNumber) Select(m *primitive.Message, queues []*primitive.MessageQueue, _ string) *primitive.MessageQueue {
	n, err := strconv.Atoi(string(m.Body))
	if err != nil {
		return nil
	}
	for _, q := range queues {
		if q.QueueId == n%len(queues) {
			return q
		}
	}
	return nil
}

// shares sends rounds of a message to each of 8 queues until one of the rounds is split as wanted: mine and theirs.
type shares struct {
	next   int
	send   func(n int)
	mine   func() map[int]bool
	theirs func() map[int]bool
}

func newShares(s *scope, topic string, mine, theirs func() map[int]bool) *shares {
	p := s.newProducer(producer.WithQueueSelector(byNumber{}))
	return &shares{mine: mine, theirs: theirs, send: func(n int) {
		r, err := p.SendSync(context.Background(), primitive.NewMessage(topic, []byte(strconv.Itoa(n))))
		must(err, "send")
		same(n%8, r.MessageQueue.QueueId, "queue")
	}}
}

func (h *shares) await(seconds, wantMine, wantTheirs int) {
	count := func(set map[int]bool, first int) (n int) {
		for i := first; i < first+8; i++ {
			if set[i] {
				n++
			}
		}
		return
	}
	var state string
	await(seconds, func() bool {
		first := h.next
		for ; h.next < first+8; h.next++ {
			h.send(h.next)
		}
		end := time.Now().Add(2 * time.Second)
		for time.Now().Before(end) {
			mine, theirs := count(h.mine(), first), count(h.theirs(), first)
			state = fmt.Sprintf("of a round of 8, %d came here and %d there; wanted %d and %d", mine, theirs, wantMine, wantTheirs)
			if mine == wantMine && theirs == wantTheirs {
				return true
			}
			if mine+theirs >= 8 {
				return false
			}
			time.Sleep(20 * time.Millisecond)
		}
		return false
	}, func() string { return state })
}

func rebalanceClean(s *scope) {
	topic, group := s.newTopic("t", 8), s.unique("g")
	one := s.gather(group, topic, "*")
	two := s.gather(group, topic, "*")
	h := newShares(s, topic, one.numbers, two.numbers)
	h.await(40, 4, 4)
	must(two.consumer.Shutdown(), "shutdown")
	// The broker tells the other at once (code 40) when the connection is closed: Go does not unregister.
	h.await(12, 8, 0)
	expected := span(0, h.next)
	for i := range two.numbers() {
		delete(expected, i)
	}
	one.awaitNumbers(20, expected)
}

func rebalanceKill(s *scope) {
	topic, group := s.newTopic("t", 8), s.unique("g")
	file, err := os.CreateTemp(os.Getenv("INTEROP_WORK"), "child")
	must(err, "a file")
	must(file.Close(), "close")
	child := exec.Command(os.Args[0], "--namesrv", s.namesrv, "--child", topic+","+group+","+file.Name())
	must(child.Start(), "a child process")
	var once sync.Once
	kill := func() { once.Do(func() { _ = child.Process.Kill(); _ = child.Wait() }) }
	s.onClose(kill)
	theirs := func() map[int]bool {
		set := map[int]bool{}
		f, err := os.Open(file.Name())
		must(err, "open")
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if n, err := strconv.Atoi(strings.TrimSuffix(lines.Text(), ";")); err == nil && strings.HasSuffix(lines.Text(), ";") {
				set[n] = true
			}
		}
		return set
	}
	one := s.gather(group, topic, "*")
	h := newShares(s, topic, one.numbers, theirs)
	h.await(40, 4, 4)
	kill()
	h.await(12, 8, 0)
	expected := span(0, h.next)
	for i := range theirs() {
		delete(expected, i)
	}
	one.awaitNumbers(20, expected)
}

// consumeAsChild writes each number that it gets as a line, until it is killed.
func consumeAsChild(r *run, arguments []string) {
	file, err := os.OpenFile(arguments[2], os.O_APPEND|os.O_WRONLY, 0)
	must(err, "open")
	s := newScope(r, "child")
	var mutex sync.Mutex
	s.push(arguments[1], arguments[0], "*", func(m *primitive.MessageExt) consumer.ConsumeResult {
		mutex.Lock()
		defer mutex.Unlock()
		if _, err := fmt.Fprintf(file, "%s;\n", m.Body); err != nil {
			return consumer.ConsumeRetryLater
		}
		return consumer.ConsumeSuccess
	})
	select {}
}
