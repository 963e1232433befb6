package main

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

func fail(format string, arguments ...any) {
	panic(failure{fmt.Sprintf(format, arguments...)})
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func check(holds bool, format string, arguments ...any) {
	if !holds {
		fail(format, arguments...)
	}
}

func same(expected, actual any, what string) {
	if !reflect.DeepEqual(expected, actual) {
		fail("%s: expected %v, got %v", what, expected, actual)
	}
}

func within(low, high, actual time.Duration, what string) {
	check(actual >= low && actual <= high, "%s: expected %v to %v, got %v", what, low, high, actual)
}

func await(seconds int, condition func() bool, state func() string) {
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for !condition() {
		if time.Now().After(end) {
			fail("after %d s still: %s", seconds, state())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func numbers(messages []*primitive.MessageExt) map[int]bool {
	set := map[int]bool{}
	for _, m := range messages {
		set[number(m)] = true
	}
	return set
}

func number(m *primitive.MessageExt) int {
	n, err := strconv.Atoi(string(m.Body))
	must(err, "a number as body")
	return n
}

// span is the set first, first+1, ... first+count-1.
func span(first, count int) map[int]bool {
	set := map[int]bool{}
	for i := first; i < first+count; i++ {
		set[i] = true
	}
	return set
}
