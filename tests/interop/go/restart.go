package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// restart stops or kills the broker while a producer sends and a consumer consumes, and starts it on the same data.
func restart(s *scope, how string) {
	topic := s.newTopic("t", 4)
	p := s.newProducer(producer.WithQueueSelector(byNumber{}), producer.WithRetry(0))
	r := s.gather(s.unique("g"), topic, "*")
	var mutex sync.Mutex
	acked := map[int]bool{}
	var results []*primitive.SendResult
	count := func() int { mutex.Lock(); defer mutex.Unlock(); return len(acked) }
	enough := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; {
			select {
			case <-enough:
				return
			default:
			}
			result, err := p.SendSync(context.Background(), primitive.NewMessage(topic, []byte(strconv.Itoa(i))))
			if err != nil || result.Status != primitive.SendOK {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			mutex.Lock()
			acked[i] = true
			results = append(results, result)
			mutex.Unlock()
			i++
		}
	}()
	await(30, func() bool { return count() >= 300 && r.size() > 0 }, func() string { return fmt.Sprintf("acknowledged %d, consumed %d", count(), r.size()) })
	s.control(how)
	before := count()
	s.control("again")
	await(60, func() bool { return count() >= before+300 }, func() string { return fmt.Sprintf("acknowledged before: %d, now %d", before, count()) })
	close(enough)
	<-ended
	queues, _, _ := s.adminClient()
	await(40, func() bool { return queues(topic) == 4 }, func() string { return "no route of " + topic + " after the restart" })
	stored := s.stored(topic, results)
	got := numbers(stored)
	for i := range acked {
		check(got[i], "message %d was acknowledged and is lost", i)
	}
	last, seen := map[int]int{}, map[int]bool{}
	for _, m := range stored {
		i := number(m)
		if !seen[i] {
			check(i >= last[m.Queue.QueueId], "queue %d: %d first stands behind %d", m.Queue.QueueId, i, last[m.Queue.QueueId])
			last[m.Queue.QueueId] = i
			seen[i] = true
		}
	}
	r.awaitNumbers(60, acked)
}
