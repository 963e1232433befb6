package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

type delivery struct {
	message *primitive.MessageExt
	times   int32
	at      time.Time
}

type deliveries struct {
	mutex sync.Mutex
	all   []delivery
}

func (d *deliveries) list() []delivery {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return append([]delivery(nil), d.all...)
}

// refuse starts a consumer that does not take a message the first time, or never.
func refuse(s *scope, group, topic string, always bool, options ...consumer.Option) *deliveries {
	// A first consumer makes the retry topic, so that the second has its route from the start; else Go looks again after 30 s.
	first := s.gather(group, topic, "*")
	queues, _, _ := s.adminClient()
	await(20, func() bool { return queues("%RETRY%"+group) > 0 }, func() string { return "no retry topic of the group" })
	must(first.consumer.Shutdown(), "shutdown")
	d := &deliveries{}
	s.push(group, topic, "*", func(m *primitive.MessageExt) consumer.ConsumeResult {
		d.mutex.Lock()
		defer d.mutex.Unlock()
		d.all = append(d.all, delivery{m, m.ReconsumeTimes, time.Now()})
		if always || m.ReconsumeTimes == 0 {
			return consumer.ConsumeRetryLater
		}
		return consumer.ConsumeSuccess
	}, options...)
	return d
}

func rejected(topic string) *primitive.Message {
	m := primitive.NewMessage(topic, []byte("again"))
	m.WithTag("tag").WithKeys([]string{"the-key"})
	m.WithProperty("p", "v")
	return m
}

func checkCopy(m *primitive.MessageExt, sent *primitive.SendResult) {
	same("again", string(m.Body), "body")
	same("tag", m.GetTags(), "tag")
	same("the-key", m.GetKeys(), "key")
	same("v", m.GetProperty("p"), "property")
	same(sent.MsgID, m.MsgId, "unique id")
}

func retry(s *scope) {
	topic, group := s.newTopic("t", 1), s.unique("g")
	d := refuse(s, group, topic, false)
	sent := s.send(rejected(topic))
	await(60, func() bool { return len(d.list()) >= 2 }, func() string { return fmt.Sprintf("deliveries: %d", len(d.list())) })
	first, second := d.list()[0], d.list()[1]
	same(int32(0), first.times, "reconsume times of the first delivery")
	same(int32(1), second.times, "reconsume times of the second delivery")
	within(9500*time.Millisecond, 25*time.Second, second.at.Sub(first.at), "between the deliveries (level 3 is 10 s)")
	checkCopy(second.message, sent)
	time.Sleep(500 * time.Millisecond)
	same(2, len(d.list()), "deliveries in all")
}

func deadLetter(s *scope) {
	topic, group := s.newTopic("t", 1), s.unique("g")
	d := refuse(s, group, topic, true, consumer.WithMaxReconsumeTimes(1))
	sent := s.send(rejected(topic))
	dead := "%DLQ%" + group
	queues, _, _ := s.adminClient()
	await(60, func() bool { return queues(dead) == 1 }, func() string { return fmt.Sprintf("no %s after deliveries: %d", dead, len(d.list())) })
	c := s.newPullConsumer(s.unique("dead"), dead, "*")
	q := primitive.MessageQueue{Topic: dead, BrokerName: sent.MessageQueue.BrokerName}
	r, err := c.PullFrom(context.Background(), &q, 0, 32)
	must(err, "pull")
	same(1, len(r.GetMessageExts()), "dead letters")
	checkCopy(r.GetMessageExts()[0], sent)
	same(2, len(d.list()), "deliveries before it was given up")
	same(int32(1), d.list()[1].times, "reconsume times of the second delivery")
}
