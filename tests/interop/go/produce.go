package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	remoting "github.com/apache/rocketmq-client-go/v2/errors"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const fourMiB = 4 * 1024 * 1024

func producerSync(s *scope) {
	topic := s.newTopic("t", 4)
	var results []*primitive.SendResult
	next := map[int]int64{}
	byBody := map[string]*primitive.SendResult{}
	for i := 0; i < 20; i++ {
		m := primitive.NewMessage(topic, []byte(fmt.Sprintf("body %d", i)))
		m.WithTag("tag" + strconv.Itoa(i%3)).WithKeys([]string{fmt.Sprintf("k1-%d", i), fmt.Sprintf("k2-%d", i)})
		m.WithProperty("user", fmt.Sprintf("value %d", i))
		r := s.send(m)
		check(r.MsgID != "" && r.OffsetMsgID != "", "ids: %v", r)
		check(r.QueueOffset >= next[r.MessageQueue.QueueId], "queue offset %d after %d", r.QueueOffset, next[r.MessageQueue.QueueId])
		next[r.MessageQueue.QueueId] = r.QueueOffset + 1
		results = append(results, r)
		byBody[fmt.Sprintf("body %d", i)] = r
	}
	same(4, len(next), "queues used")
	var stored []*primitive.MessageExt
	for _, m := range s.stored(topic, results) {
		if r := byBody[string(m.Body)]; r == nil || r.OffsetMsgID == m.OffsetMsgId { // not what a retry has superseded
			stored = append(stored, m)
		}
	}
	same(20, len(stored), "messages stored")
	for _, m := range stored {
		r := byBody[string(m.Body)]
		check(r != nil, "twice or unknown: %s", m.Body)
		delete(byBody, string(m.Body))
		i, _ := strconv.Atoi(strings.TrimPrefix(string(m.Body), "body "))
		same("tag"+strconv.Itoa(i%3), m.GetTags(), "tag")
		same(fmt.Sprintf("k1-%d k2-%d", i, i), m.GetKeys(), "keys")
		same(fmt.Sprintf("value %d", i), m.GetProperty("user"), "user property")
		same(r.MsgID, m.MsgId, "unique id")
		same(r.OffsetMsgID, m.OffsetMsgId, "offset id")
		same(r.QueueOffset, m.QueueOffset, "queue offset")
		same(r.MessageQueue.QueueId, m.Queue.QueueId, "queue id")
		same(int32(0), m.ReconsumeTimes, "reconsume times")
		check(strings.HasPrefix(m.BornHost, "127.0.0.1:"), "born host %s", m.BornHost)
		check(m.StoreTimestamp >= m.BornTimestamp-1000 && m.StoreTimestamp < m.BornTimestamp+60_000, "store time")
	}
}

func producerAsync(s *scope) {
	topic := s.newTopic("t", 4)
	p := s.newProducer()
	var wait sync.WaitGroup
	var mutex sync.Mutex
	var results []*primitive.SendResult
	var wrong []error
	var again []*primitive.Message
	for i := 0; i < 300; i++ {
		m := primitive.NewMessage(topic, []byte(strconv.Itoa(i)))
		wait.Add(1)
		err := p.SendAsync(context.Background(), func(_ context.Context, r *primitive.SendResult, err error) {
			defer wait.Done()
			mutex.Lock()
			defer mutex.Unlock()
			if err == nil && r.Status != primitive.SendOK {
				err = errors.New(r.String())
			}
			if errors.Is(err, remoting.ErrRequestTimeout) {
				again = append(again, m) // after 3 s, on a busy machine
			} else if err != nil {
				wrong = append(wrong, err)
			} else {
				results = append(results, r)
			}
		}, m)
		must(err, "send")
	}
	wait.Wait()
	check(len(wrong) == 0, "%d sends failed: %v", len(wrong), wrong)
	check(len(again) < 100, "%d of 300 sends were not answered within 3 s", len(again))
	for _, m := range again {
		results = append(results, s.send(m))
	}
	stored := distinct(s.stored(topic, results))
	same(300, len(stored), "messages stored")
	same(span(0, 300), numbers(stored), "messages stored")
}

func producerOneway(s *scope) {
	topic := s.newTopic("t", 4)
	p := s.newProducer()
	for i := 0; i < 100; i++ {
		must(p.SendOneWay(context.Background(), primitive.NewMessage(topic, []byte(strconv.Itoa(i)))), "send")
	}
	r := s.gather(s.unique("g"), topic, "*")
	r.awaitNumbers(20, span(0, 100))
	r.once(100)
}

// The Go client gives the items of a batch no unique keys; all else is as with Java. It sends batches with code 320.
func producerBatch(s *scope) {
	topic := s.newTopic("t", 1)
	offset := int64(0)
	for round, n := range []int{2, 40, 200} {
		var batch []*primitive.Message
		for i := 0; i < n; i++ {
			m := primitive.NewMessage(topic, []byte(fmt.Sprintf("äöü %d %d", round, i)))
			m.WithTag("b" + strconv.Itoa(i%2)).WithKeys([]string{fmt.Sprintf("batch-%d-%d", round, i)})
			m.WithProperty("n", strconv.Itoa(i))
			batch = append(batch, m)
		}
		r := s.send(batch...)
		check(r.QueueOffset >= offset, "queue offset of the first: %d after %d", r.QueueOffset, offset)
		offset = r.QueueOffset
		ids := strings.Split(r.OffsetMsgID, ",")
		same(n, len(ids), "offset ids in the result")
		last := *r
		last.QueueOffset += int64(n) - 1
		stored := s.stored(topic, []*primitive.SendResult{&last})[offset:]
		same(n, len(stored), "messages stored")
		for i, m := range stored {
			same(offset+int64(i), m.QueueOffset, "queue offset of an item")
			same(fmt.Sprintf("äöü %d %d", round, i), string(m.Body), "body of an item")
			same("b"+strconv.Itoa(i%2), m.GetTags(), "tag of an item")
			same(fmt.Sprintf("batch-%d-%d", round, i), m.GetKeys(), "key of an item")
			same(strconv.Itoa(i), m.GetProperty("n"), "property of an item")
			same(ids[i], m.OffsetMsgId, "offset id of an item")
		}
		offset += int64(n)
	}
}

func largeBody(s *scope) {
	topic := s.newTopic("t", 1)
	text := []byte(strings.Repeat("A line that compresses well, mostly. ", 6000))
	random := make([]byte, 100_000)
	rand.New(rand.NewSource(1)).Read(random)
	bodies := [][]byte{text[:4095], text[:4096], text[:5000], text, random}
	var results []*primitive.SendResult
	for _, body := range bodies {
		results = append(results, s.send(primitive.NewMessage(topic, body)))
	}
	for i, m := range distinct(s.stored(topic, results)) {
		check(bytes.Equal(bodies[i], m.Body), "body %d differs", i)
		small := int(m.StoreSize) < len(bodies[i])/2
		same(i > 0 && i < 4, small, fmt.Sprintf("a body of %d stored in %d: small", len(bodies[i]), m.StoreSize))
	}
}

// Tags stay ASCII: Go hashes them over UTF-8 bytes and Java over UTF-16 units, so that others match by chance only.
func nonASCII(s *scope) {
	topic := s.newTopic("t", 1)
	words := "Grüße, 世界, мир, 🚀, שלום \"quoted\" \\ / {json} \t tab"
	m := primitive.NewMessage(topic, []byte(words))
	m.WithTag("tag").WithKeys([]string{"ключ-1"})
	m.WithProperty("Straße", "👍 好")
	m.WithProperty("spaces", "a  b = c : d")
	s.send(m)
	r := s.gather(s.unique("g"), topic, "tag")
	await(20, func() bool { return r.size() == 1 }, func() string { return "the message has not come" })
	got := r.list()[0]
	same(words, string(got.Body), "body")
	same("ключ-1", got.GetKeys(), "key")
	same("👍 好", got.GetProperty("Straße"), "property")
	same("a  b = c : d", got.GetProperty("spaces"), "property")
}

func sizeLimit(s *scope) {
	topic := s.newTopic("t", 1)
	p := s.newProducer(producer.WithGroupName(s.unique("big")), producer.WithCompressMsgBodyOverHowmuch(1<<30), producer.WithRetry(0))
	body := make([]byte, fourMiB)
	rand.New(rand.NewSource(2)).Read(body)
	var first *primitive.SendResult
	until("exactly 4 MiB", func() (err error) { // the client allows 3 s, which a busy machine may need
		first, err = p.SendSync(context.Background(), primitive.NewMessage(topic, body))
		return
	})
	same(primitive.SendOK, first.Status, "status of exactly 4 MiB")
	for _, over := range []int{1, 1 << 20} {
		var err error
		for i := 0; i < 3; i++ {
			_, err = p.SendSync(context.Background(), primitive.NewMessage(topic, make([]byte, fourMiB+over)))
			if err == nil || strings.Contains(err.Error(), "CODE") {
				break
			}
		}
		check(err != nil && strings.Contains(err.Error(), "CODE: 13,"), "4 MiB + %d: expected code 13, got %v", over, err)
	}
	after, err := p.SendSync(context.Background(), primitive.NewMessage(topic, []byte("after")))
	must(err, "a send afterwards")
	stored := s.stored(topic, []*primitive.SendResult{after})
	check(bytes.Equal(body, stored[0].Body), "the body of 4 MiB differs")
	same("after", string(stored[len(stored)-1].Body), "the message afterwards")
}

func orderBySelector(s *scope) {
	topic := s.newTopic("t", 4)
	p := s.newProducer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	var results []*primitive.SendResult
	home := map[string]int{}
	for i := 0; i < 400; i++ {
		key := "key" + strconv.Itoa(i%10)
		r, err := p.SendSync(context.Background(), primitive.NewMessage(topic, []byte(strconv.Itoa(i))).WithShardingKey(key))
		must(err, "send")
		if queue, known := home[key]; known {
			same(queue, r.MessageQueue.QueueId, "queue of "+key)
		}
		home[key] = r.MessageQueue.QueueId
		results = append(results, r)
	}
	stored := distinct(s.stored(topic, results))
	same(400, len(stored), "messages stored")
	before := map[int]int{}
	for _, m := range stored {
		i := number(m)
		check(i >= before[m.Queue.QueueId], "%d after %d in queue %d", i, before[m.Queue.QueueId], m.Queue.QueueId)
		same(home[m.GetShardingKey()], m.Queue.QueueId, "queue of a key")
		before[m.Queue.QueueId] = i
	}
}

func createTopic(s *scope) {
	topic := s.unique("t")
	_, create, remove := s.adminClient()
	// An admin client keeps the first route that it sees: ask with a new one each time.
	queues := func(topic string) int {
		ask, _, _ := s.adminClient()
		return ask(topic)
	}
	same(0, queues(topic), "queues before it exists")
	create(topic, 5)
	await(20, func() bool { return queues(topic) == 5 }, func() string { return fmt.Sprintf("%d of 5 queues", queues(topic)) })
	await(20, func() bool {
		// Again and again, for of two changes in one millisecond the real name server takes only the first.
		create(topic, 7)
		return queues(topic) == 7
	}, func() string { return fmt.Sprintf("%d of 7 queues", queues(topic)) })
	results := s.sendNumbers(topic, "x", 0, 14)
	same(span(0, 14), numbers(s.stored(topic, results)), "messages stored")
	remove(topic)
	await(20, func() bool { return queues(topic) == 0 }, func() string { return "the deleted topic still has a route" })
}

// pause lets the clock of whole seconds go on.
func pause() { time.Sleep(1100 * time.Millisecond) }
