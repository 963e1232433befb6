package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// run is where the servers of this run are.
type run struct {
	namesrv, broker, client, id string
	mutex                       sync.Mutex
}

func (r *run) print(line string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	fmt.Println(line)
}

// control runs the script of the broker under test, of ../peers.
func (r *run) control(verb string) {
	script, dir := os.Getenv("INTEROP_PEER"), os.Getenv("INTEROP_PEER_DIR")
	check(script != "", "needs servers of its own; run by run.sh")
	out, err := os.CreateTemp(os.Getenv("INTEROP_WORK"), "control")
	must(err, "a log file")
	defer out.Close()
	command := exec.Command(script, verb, dir)
	command.Stdout, command.Stderr = out, out
	if err := command.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		fail("%s %s: %v: %s", script, verb, err, said)
	}
}

var instances atomic.Int64

func instance() string {
	return fmt.Sprintf("%d-%d", os.Getpid(), instances.Add(1))
}

// scope has the names and clients of one case: names are unique to the run, clients are closed when the case ends.
type scope struct {
	*run
	name     string
	servers  []string
	mutex    sync.Mutex
	closers  []func()
	producer rocketmq.Producer
}

func newScope(r *run, name string) *scope {
	return &scope{run: r, name: name, servers: []string{r.namesrv}}
}

func (s *scope) onClose(f func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closers = append(s.closers, f)
}

func (s *scope) close() {
	s.mutex.Lock()
	closers := s.closers
	s.mutex.Unlock()
	for i := len(closers) - 1; i >= 0; i-- {
		func() {
			defer func() { _ = recover() }() // a client that fails while it closes has been judged already
			closers[i]()
		}()
	}
}

// unique is a name that nothing else uses; the topic or group is not created.
func (s *scope) unique(suffix string) string {
	return s.id + "_" + s.name + "_" + suffix
}

func (s *scope) adminClient() (queues func(topic string) int, create func(topic string, queues int), remove func(topic string)) {
	a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver(s.servers)))
	must(err, "an admin client")
	s.onClose(func() { _ = a.Close() })
	queues = func(topic string) int {
		found, err := a.FetchPublishMessageQueues(context.Background(), topic)
		if err != nil {
			return 0
		}
		return len(found)
	}
	create = func(topic string, n int) {
		must(a.CreateTopic(context.Background(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(s.broker),
			admin.WithReadQueueNums(n), admin.WithWriteQueueNums(n), admin.WithPerm(6)), "create topic "+topic)
	}
	remove = func(topic string) {
		must(a.DeleteTopic(context.Background(), admin.WithTopicDelete(topic), admin.WithBrokerAddrDelete(s.broker)), "delete topic "+topic)
	}
	return
}

// newTopic creates a topic by the client's own admin call (request code 17) and waits until its route is known.
func (s *scope) newTopic(suffix string, n int) string {
	topic := s.unique(suffix)
	queues, create, _ := s.adminClient()
	create(topic, n)
	await(20, func() bool { return queues(topic) == n }, func() string { return "no route of " + topic })
	return topic
}

func (s *scope) newProducer(options ...producer.Option) rocketmq.Producer {
	all := append([]producer.Option{
		producer.WithNsResolver(primitive.NewPassthroughResolver(s.servers)),
		producer.WithGroupName(s.unique("producers")),
		producer.WithInstanceName(instance()),
	}, options...)
	p, err := rocketmq.NewProducer(all...)
	must(err, "a producer")
	must(p.Start(), "start of a producer")
	s.onClose(func() { _ = p.Shutdown() })
	return p
}

// send uses the case's ordinary producer, which goes over the queues in turn.
func (s *scope) send(messages ...*primitive.Message) *primitive.SendResult {
	s.mutex.Lock()
	none := s.producer == nil
	s.mutex.Unlock()
	if none {
		p := s.newProducer()
		s.mutex.Lock()
		s.producer = p
		s.mutex.Unlock()
	}
	result, err := s.producer.SendSync(context.Background(), messages...)
	must(err, "send")
	same(primitive.SendOK, result.Status, "status")
	return result
}

// sendNumbers sends the numbers first to first+count-1 as bodies.
func (s *scope) sendNumbers(topic, tag string, first, count int) []*primitive.SendResult {
	var results []*primitive.SendResult
	for i := first; i < first+count; i++ {
		m := primitive.NewMessage(topic, []byte(strconv.Itoa(i)))
		if tag != "" {
			m.WithTag(tag)
		}
		results = append(results, s.send(m))
	}
	return results
}

// received is what a push consumer has got so far.
type received struct {
	consumer rocketmq.PushConsumer
	mutex    sync.Mutex
	messages []*primitive.MessageExt
}

func (r *received) list() []*primitive.MessageExt {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]*primitive.MessageExt(nil), r.messages...)
}

func (r *received) size() int { return len(r.list()) }

// once checks that so many different messages have come, and none of them twice. What the producer itself sent twice (it gives a
// send 3 s, which a busy machine may need) has one unique key and two places.
func (r *received) once(expected int) {
	places := map[string]bool{}
	for _, m := range r.list() {
		place := fmt.Sprintf("queue %d offset %d", m.Queue.QueueId, m.QueueOffset)
		check(!places[place], "delivered twice: %s: %s", place, m.Body)
		places[place] = true
	}
	same(expected, len(distinct(r.list())), "different messages received")
}

// distinct leaves out what the producer sent again.
func distinct(messages []*primitive.MessageExt) []*primitive.MessageExt {
	var all []*primitive.MessageExt
	seen := map[string]bool{}
	for _, m := range messages {
		if !seen[m.MsgId] {
			seen[m.MsgId] = true
			all = append(all, m)
		}
	}
	return all
}

func (r *received) numbers() map[int]bool { return numbers(r.list()) }

// awaitNumbers waits until every number has come.
func (r *received) awaitNumbers(seconds int, expected map[int]bool) {
	missing := func() []int {
		got := r.numbers()
		var rest []int
		for i := range expected {
			if !got[i] {
				rest = append(rest, i)
			}
		}
		sort.Ints(rest)
		return rest
	}
	await(seconds, func() bool { return len(missing()) == 0 }, func() string {
		rest := missing()
		return fmt.Sprintf("%d of %d messages have not come, the first %d", len(rest), len(expected), rest[0])
	})
}

type listener func(*primitive.MessageExt) consumer.ConsumeResult

func (s *scope) tryPush(group, topic, tags string, listen listener, options ...consumer.Option) (rocketmq.PushConsumer, error) {
	all := append([]consumer.Option{
		consumer.WithNsResolver(primitive.NewPassthroughResolver(s.servers)),
		consumer.WithGroupName(group),
		consumer.WithInstance(instance()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumeGoroutineNums(4),
	}, options...)
	c, err := rocketmq.NewPushConsumer(all...)
	must(err, "a push consumer")
	must(c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags},
		func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, m := range messages {
				if result := listen(m); result != consumer.ConsumeSuccess {
					return result, nil
				}
			}
			return consumer.ConsumeSuccess, nil
		}), "subscribe")
	if err := c.Start(); err != nil {
		return nil, err
	}
	end := pushConsumer{c, afterFirstHeartbeat(c.Shutdown)}
	s.onClose(func() { _ = end.Shutdown() })
	return end, nil
}

// afterFirstHeartbeat is a shutdown that is safe at any time. The client sends its first heartbeat a second after its
// start even if it was shut down by then, and so becomes a member of its group again that never consumes.
func afterFirstHeartbeat(shutdown func() error) func() error {
	started := time.Now()
	return func() error {
		time.Sleep(time.Until(started.Add(1200 * time.Millisecond)))
		return shutdown()
	}
}

type pushConsumer struct {
	rocketmq.PushConsumer
	shutdown func() error
}

func (c pushConsumer) Shutdown() error { return c.shutdown() }

type pullConsumer struct {
	rocketmq.PullConsumer
	shutdown func() error
}

func (c pullConsumer) Shutdown() error { return c.shutdown() }

func (s *scope) push(group, topic, tags string, listen listener, options ...consumer.Option) rocketmq.PushConsumer {
	c, err := s.tryPush(group, topic, tags, listen, options...)
	must(err, "start of a push consumer")
	return c
}

// gather is a push consumer that keeps what it gets.
func (s *scope) gather(group, topic, tags string, options ...consumer.Option) *received {
	r := &received{}
	r.consumer = s.push(group, topic, tags, func(m *primitive.MessageExt) consumer.ConsumeResult {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.messages = append(r.messages, m)
		return consumer.ConsumeSuccess
	}, options...)
	return r
}

func (s *scope) newPullConsumer(group, topic, tags string, options ...consumer.Option) rocketmq.PullConsumer {
	all := append([]consumer.Option{
		consumer.WithNsResolver(primitive.NewPassthroughResolver(s.servers)),
		consumer.WithGroupName(group),
		consumer.WithInstance(instance()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, options...)
	c, err := rocketmq.NewPullConsumer(all...)
	must(err, "a pull consumer")
	must(c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}), "subscribe")
	must(c.Start(), "start of a pull consumer")
	end := pullConsumer{c, afterFirstHeartbeat(c.Shutdown)}
	s.onClose(func() { _ = end.Shutdown() })
	return end
}

// stored reads the queues in which sends ended, from 0 to the last of their results.
func (s *scope) stored(topic string, results []*primitive.SendResult) []*primitive.MessageExt {
	ends := map[int]int64{}
	var queue primitive.MessageQueue
	for _, r := range results {
		queue = *r.MessageQueue
		if r.QueueOffset >= ends[queue.QueueId] {
			ends[queue.QueueId] = r.QueueOffset + 1
		}
	}
	c := s.newPullConsumer(s.unique(fmt.Sprintf("readers%d", instances.Add(1))), topic, "*")
	var all []*primitive.MessageExt
	for id, end := range ends {
		q := primitive.MessageQueue{Topic: topic, BrokerName: queue.BrokerName, QueueId: id}
		for next := int64(0); next < end; {
			r, err := c.PullFrom(context.Background(), &q, next, 32)
			must(err, "pull")
			same(primitive.PullFound, r.Status, fmt.Sprintf("status of a pull at %d of queue %d, which ends at %d", next, id, end))
			all = append(all, r.GetMessageExts()...)
			next = r.NextBeginOffset
		}
	}
	return all
}

// until repeats what may fail for a while, up to six times.
func until(what string, attempt func() error) {
	var err error
	for i := 0; i < 6; i++ {
		if err = attempt(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	fail("%s: %v", what, err)
}
