// SPDX-License-Identifier: BSD-3-Clause

// The rival in Go: a buffered channel and, built with the tag puddle, puddle 1.  bench starts it, asks for a
// sample by a line on its stdin, and reads its figures from a line of JSON: see bench/README.md.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A pool lends a stub.
type pool interface {
	get() interface{}
	put(resource interface{})
	end()
}

// By name; puddle.go adds its own.
var makers = map[string]func(capacity int) pool{
	"go_channel": func(capacity int) pool {
		c := channel(make(chan *int, capacity))
		for i := 0; i < capacity; i++ {
			c <- new(int)
		}
		return c
	},
	"none": func(capacity int) pool { return none{} },
}

type channel chan *int

func (c channel) get() interface{}         { return <-c }
func (c channel) put(resource interface{}) { c <- resource.(*int) }
func (c channel) end()                     {}

type none struct{}

func (none) get() interface{}         { return nil }
func (none) put(resource interface{}) {}
func (none) end()                     {}

type sample struct {
	threads, capacity int
	ramp, open        time.Duration
}

type window struct{ from, until time.Time }

// All start together; the window opens after the ramp.
func gang(count int, ramp, open time.Duration, body func(index int, w window)) window {
	var ready, done sync.WaitGroup
	var w window
	gate := make(chan struct{})
	ready.Add(count)
	done.Add(count)
	for i := 0; i < count; i++ {
		go func(i int) {
			ready.Done()
			<-gate
			body(i, w)
			done.Done()
		}(i)
	}
	ready.Wait()
	w.from = time.Now().Add(ramp)
	w.until = w.from.Add(open)
	close(gate)
	done.Wait()
	return w
}

const batch = 256

// W1 and W2: ns per pair and thread.
func pairs(p pool, s sample) string {
	took := make([]time.Duration, s.threads*16)
	count := make([]int, s.threads*16)
	gang(s.threads, s.ramp, s.open, func(i int, w window) {
		done := 0
		turn := func() {
			for k := 0; k < batch; k++ {
				p.put(p.get())
			}
		}
		for time.Now().Before(w.from) {
			turn()
		}
		began := time.Now()
		now := began
		for now.Before(w.until) {
			turn()
			done += batch
			now = time.Now()
		}
		took[i*16], count[i*16] = now.Sub(began), done
	})
	var sum time.Duration
	all := 0
	for i := 0; i < s.threads; i++ {
		sum += took[i*16]
		all += count[i*16]
	}
	return fmt.Sprintf(`{"ns": %.2f}`, float64(sum)/float64(all))
}

var turnsPerUsec int
var sink int

func turns(n int) {
	x := 0
	for i := 0; i < n; i++ {
		x ^= i
	}
	if x == -1 {
		sink = x
	}
}

func calibrate() {
	least := time.Hour
	for i := 0; i < 20; i++ {
		began := time.Now()
		turns(200000)
		if took := time.Since(began); took < least {
			least = took
		}
	}
	turnsPerUsec = int(200000 * float64(time.Microsecond) / float64(least))
}

// W3: pairs a second.
func spinning(p pool, s sample) float64 {
	counts := make([]int64, s.threads*16)
	gang(s.threads, s.ramp, s.open, func(i int, w window) {
		done := int64(0)
		for {
			r := p.get()
			turns(turnsPerUsec)
			p.put(r)
			now := time.Now()
			if !now.Before(w.until) {
				break
			}
			if !now.Before(w.from) {
				done++
			}
		}
		counts[i*16] = done
	})
	sum := int64(0)
	for _, c := range counts {
		sum += c
	}
	return float64(sum) / s.open.Seconds()
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type crowdFigures struct {
	rate  float64
	waits []time.Duration
	least int
	most  int
	cpu   float64
}

// W4.
func crowd(p pool, s sample) crowdFigures {
	waits := make([][]time.Duration, s.threads)
	served := make([]int, s.threads)
	var spent time.Duration
	gang(s.threads, s.ramp, s.open, func(i int, w window) {
		if i == 0 {
			go func() {
				time.Sleep(time.Until(w.from))
				began := cpu()
				time.Sleep(time.Until(w.until))
				atomic.StoreInt64((*int64)(&spent), int64(cpu()-began))
			}()
		}
		for {
			asked := time.Now()
			if !asked.Before(w.until) {
				return
			}
			r := p.get()
			got := time.Now()
			if !got.Before(w.from) {
				waits[i] = append(waits[i], got.Sub(asked))
				if got.Before(w.until) {
					served[i]++
				}
			}
			time.Sleep(time.Millisecond)
			p.put(r)
		}
	})
	f := crowdFigures{least: served[0], most: served[0]}
	sum := 0
	for i, c := range served {
		f.waits = append(f.waits, waits[i]...)
		sum += c
		if c < f.least {
			f.least = c
		}
		if c > f.most {
			f.most = c
		}
	}
	sort.Slice(f.waits, func(a, b int) bool { return f.waits[a] < f.waits[b] })
	f.rate = float64(sum) / s.open.Seconds()
	f.cpu = time.Duration(atomic.LoadInt64((*int64)(&spent))).Seconds() * 100000 / float64(sum)
	return f
}

func (f crowdFigures) json(bound float64) string {
	at := func(share float64) float64 {
		rank := int(share*float64(len(f.waits))+0.999999) - 1
		return float64(f.waits[rank]) / 1e6
	}
	mean := 0.0
	for _, w := range f.waits {
		mean += float64(w) / 1e6
	}
	mean /= float64(len(f.waits))
	return fmt.Sprintf(`{"share_of_bound": %.4f, "wait_mean_ms": %.4f, "wait_p10_ms": %.4f, "wait_p25_ms": %.4f, `+
		`"wait_p50_ms": %.4f, "wait_p75_ms": %.4f, "wait_p90_ms": %.4f, "wait_p99_ms": %.4f, "wait_p999_ms": %.4f, `+
		`"wait_max_ms": %.4f, "wait_p99_over_mean": %.4f, "least_over_most": %.4f, "cpu_s_per_100k": %.4f, `+
		`"acquires_per_s": %.1f, "least_served": %d, "most_served": %d}`,
		f.rate/bound, mean, at(0.1), at(0.25), at(0.5), at(0.75), at(0.9), at(0.99), at(0.999), at(1),
		at(0.99)/mean, float64(f.least)/float64(f.most), f.cpu, f.rate, f.least, f.most)
}

// W5: two goroutines in turn; see bench/work_turns.c.
func handOver(p pool, s sample, dwell time.Duration) string {
	var coming, got, over int64
	var put [2][]time.Time
	var end [2][]time.Time
	began := time.Now().Add(s.ramp)
	gang(2, s.ramp, s.open, func(i int, w window) {
		await := func(what *int64, number int64) bool {
			for atomic.LoadInt64(what) != number {
				if atomic.LoadInt64(&over) != 0 {
					return false
				}
				runtime.Gosched() // who spins keeps the other from this core
			}
			return true
		}
		number := int64(i + 1)
		if i == 1 && !await(&got, 1) {
			return
		}
		for {
			atomic.StoreInt64(&coming, number)
			r := p.get()
			end[i] = append(end[i], time.Now())
			atomic.StoreInt64(&got, number)
			if atomic.LoadInt64(&over) != 0 || !await(&coming, number+1) {
				p.put(r)
				return
			}
			for until := time.Now().Add(dwell); dwell > 0 && time.Now().Before(until); {
			}
			now := time.Now()
			p.put(r)
			put[i] = append(put[i], now)
			if !now.Before(w.until) {
				atomic.StoreInt64(&over, 1)
			}
			if !await(&got, number+1) {
				return
			}
			number += 2
		}
	})
	var took []time.Duration
	for turn := 1; turn/2 < len(end[turn%2]) && (turn-1)/2 < len(put[(turn-1)%2]); turn++ {
		at := put[(turn-1)%2][(turn-1)/2]
		if at.After(began) {
			took = append(took, end[turn%2][turn/2].Sub(at))
		}
	}
	if len(took) == 0 {
		return `{"error": "no hand-over in time"}`
	}
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })
	return fmt.Sprintf(`{"ns": %d, "p99_ns": %d}`, took[len(took)/2], took[len(took)*99/100])
}

// The bound is this language's own, a quarter as long, with no pool.
func run(name, work string, s sample) string {
	p := makers[name](s.capacity)
	defer p.end()
	bound := sample{s.threads, s.capacity, s.ramp, s.open / 4}
	switch work {
	case "W1", "W2":
		return pairs(p, s)
	case "W3", "W3-1000":
		free := spinning(none{}, bound)
		rate := spinning(p, s)
		return fmt.Sprintf(`{"share_of_bound": %.4f, "acquires_per_s": %.1f}`, rate/free, rate)
	case "W4", "W4-1000":
		bound.threads = s.capacity
		free := crowd(none{}, bound)
		return crowd(p, s).json(free.rate)
	case "W5-hot":
		return handOver(p, s, 0)
	case "W5-settled":
		return handOver(p, s, 200*time.Microsecond)
	}
	return `{"error": "no such workload"}`
}

func main() {
	if len(os.Args) != 2 || makers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: rival go_channel|puddle, asked by bench")
		os.Exit(2)
	}
	calibrate()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var work string
		var s sample
		if n, _ := fmt.Sscan(lines.Text(), &work, &s.threads, &s.capacity, &s.ramp, &s.open); n != 5 {
			fmt.Println(`{"error": "not understood"}`)
			continue
		}
		fmt.Println(run(os.Args[1], work, s))
	}
}
