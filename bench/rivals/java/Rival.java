// SPDX-License-Identifier: BSD-3-Clause
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;

/**
 * Pools in Java. bench starts it with the class of one, asks for a sample by a line on its stdin, and reads the
 * figures from a line of JSON: see bench/README.md.
 */
public final class Rival {
    private static final int BATCH = 256;
    private static final long WARM_NS = 250_000_000L;
    private static long turnsPerUsec;
    private static volatile long sink;

    private interface Body {
        void live(int index, long from, long until) throws Exception;
    }

    /** All start together; the window opens after the ramp. */
    private static void gang(int count, long ramp, long open, Body body) throws Exception {
        CountDownLatch ready = new CountDownLatch(count), go = new CountDownLatch(1);
        long[] window = new long[2];
        Throwable[] failed = new Throwable[1];
        Thread[] all = new Thread[count];
        for (int i = 0; i < count; i++) {
            int index = i;
            all[i] = new Thread(() -> {
                try {
                    ready.countDown();
                    go.await();
                    body.live(index, window[0], window[1]);
                } catch (Throwable trouble) {
                    failed[0] = trouble;
                }
            });
            all[i].start();
        }
        ready.await();
        window[0] = System.nanoTime() + ramp;
        window[1] = window[0] + open;
        go.countDown();
        for (Thread one : all) {
            one.join();
        }
        if (failed[0] != null) {
            throw new Exception(failed[0]);
        }
    }

    private static void turn(Lender pool) throws Exception {
        for (int i = 0; i < BATCH; i++) {
            pool.put(pool.get());
        }
    }

    private static String pairs(Lender pool, int threads, long ramp, long open) throws Exception {
        long[] took = new long[threads], count = new long[threads];
        gang(threads, ramp, open, (index, from, until) -> {
            while (System.nanoTime() < from) {
                turn(pool);
            }
            long began = System.nanoTime(), now = began, done = 0;
            while (now < until) {
                turn(pool);
                done += BATCH;
                now = System.nanoTime();
            }
            took[index] = now - began;
            count[index] = done;
        });
        return text("{\"ns\": %.2f}", (double) Arrays.stream(took).sum() / Arrays.stream(count).sum());
    }

    private static void turns(long count) {
        long x = sink;
        for (long i = 0; i < count; i++) {
            x = x * 31 + i;
        }
        sink = x;
    }

    private static void calibrate() {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 100; i++) {
            long began = System.nanoTime();
            turns(100_000);
            least = Math.min(least, System.nanoTime() - began);
        }
        turnsPerUsec = Math.max(1, 100_000_000L / least);
    }

    /** Pairs a second. */
    private static double spinning(Lender pool, int threads, long ramp, long open) throws Exception {
        long[] count = new long[threads];
        gang(threads, ramp, open, (index, from, until) -> {
            long done = 0;
            for (;;) {
                Object lent = pool.get();
                turns(turnsPerUsec);
                pool.put(lent);
                long now = System.nanoTime();
                if (now >= until) {
                    break;
                }
                done += now >= from ? 1 : 0;
            }
            count[index] = done;
        });
        return Arrays.stream(count).sum() * 1e9 / open;
    }

    private static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    }

    private static void sleepUntil(long instant) throws InterruptedException {
        long left = instant - System.nanoTime();
        if (left > 0) {
            Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
        }
    }

    private static final class Crowd {
        double rate, cpu;
        long least, most;
        long[] waits;
    }

    private static Crowd crowd(Lender pool, int threads, long ramp, long open) throws Exception {
        long[][] waits = new long[threads][(int) ((ramp + open) / 1_000_000) + 2];
        int[] counts = new int[threads];
        long[] served = new long[threads], spent = new long[1];
        Thread[] watch = new Thread[1];
        gang(threads, ramp, open, (index, from, until) -> {
            if (index == 0) {
                watch[0] = new Thread(() -> {
                    try {
                        sleepUntil(from);
                        long began = cpu();
                        sleepUntil(until);
                        spent[0] = cpu() - began;
                    } catch (InterruptedException never) {
                        throw new IllegalStateException(never);
                    }
                });
                watch[0].start();
            }
            for (long asked; (asked = System.nanoTime()) < until; ) {
                Object lent = pool.get();
                long got = System.nanoTime();
                if (got >= from) {
                    waits[index][counts[index]++] = got - asked;
                    served[index] += got < until ? 1 : 0;
                }
                Thread.sleep(1);
                pool.put(lent);
            }
        });
        watch[0].join();
        Crowd all = new Crowd();
        long sum = Arrays.stream(served).sum();
        all.rate = sum * 1e9 / open;
        all.cpu = spent[0] / 1e9 * 100_000 / sum;
        all.least = Arrays.stream(served).min().getAsLong();
        all.most = Arrays.stream(served).max().getAsLong();
        all.waits = new long[Arrays.stream(counts).sum()];
        for (int i = 0, at = 0; i < threads; at += counts[i++]) {
            System.arraycopy(waits[i], 0, all.waits, at, counts[i]);
        }
        Arrays.sort(all.waits);
        return all;
    }

    private static double at(long[] sorted, double share) {
        return sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)] / 1e6;
    }

    private static String told(Crowd all, double bound) {
        double mean = Arrays.stream(all.waits).average().getAsDouble() / 1e6;
        StringBuilder out = new StringBuilder("{");
        Object[] quantiles = {"p10", 0.1, "p25", 0.25, "p50", 0.5, "p75", 0.75, "p90", 0.9, "p99", 0.99, "p999",
            0.999, "max", 1.0};
        for (int i = 0; i < quantiles.length; i += 2) {
            out.append(text("\"wait_%s_ms\": %.4f, ", quantiles[i], at(all.waits, (double) quantiles[i + 1])));
        }
        return out + text("\"share_of_bound\": %.4f, \"acquires_per_s\": %.1f, \"wait_mean_ms\": %.4f, "
            + "\"wait_p99_over_mean\": %.4f, \"least_over_most\": %.4f, \"cpu_s_per_100k\": %.4f, "
            + "\"least_served\": %d, \"most_served\": %d}", all.rate / bound, all.rate, mean,
            at(all.waits, 0.99) / mean, (double) all.least / all.most, all.cpu, all.least, all.most);
    }

    /** W5, see bench/work_turns.c. */
    private static final class Turns {
        static final int MOST = 500_000;
        final long[][] got = new long[2][MOST], put = new long[2][MOST];
        final int[] count = new int[2];
        volatile long coming, holding;
        volatile boolean over;

        boolean awaitComing(long number) {
            while (coming != number) {
                if (over) {
                    return false;
                }
                Thread.onSpinWait();
            }
            return true;
        }

        boolean awaitHolding(long number) {
            while (holding != number) {
                if (over) {
                    return false;
                }
                Thread.onSpinWait();
            }
            return true;
        }

        void live(Lender pool, int index, long until, long dwell) throws Exception {
            if (index == 1 && !awaitHolding(1)) {
                return;
            }
            for (long number = index + 1;; number += 2) {
                coming = number;
                Object lent = pool.get();
                got[index][count[index]] = System.nanoTime();
                holding = number;
                if (over || !awaitComing(number + 1)) {
                    pool.put(lent);
                    return;
                }
                for (long end = dwell > 0 ? System.nanoTime() + dwell : 0; dwell > 0 && System.nanoTime() < end; ) {
                    Thread.onSpinWait();
                }
                long now = System.nanoTime();
                pool.put(lent);
                put[index][count[index]++] = now;
                if (now >= until || count[index] == MOST - 1) {
                    over = true;
                }
                if (!awaitHolding(number + 1)) {
                    return;
                }
            }
        }
    }

    private static String handOver(Lender pool, long ramp, long open, long dwell) throws Exception {
        Turns all = new Turns();
        gang(2, ramp, open, (index, from, until) -> all.live(pool, index, until, dwell));
        long[] took = new long[2 * Turns.MOST];
        long from = all.got[0][0] + ramp;
        int count = 0;
        for (int turn = 1; turn / 2 < all.count[turn % 2]; turn++) {
            long put = all.put[(turn - 1) % 2][(turn - 1) / 2];
            if (put >= from) {
                took[count++] = all.got[turn % 2][turn / 2] - put;
            }
        }
        if (count == 0) {
            return "{\"error\": \"no hand-over in time\"}";
        }
        took = Arrays.copyOf(took, count);
        Arrays.sort(took);
        return text("{\"ns\": %d, \"p99_ns\": %d}", took[count / 2], took[count * 99 / 100]);
    }

    private static String text(String format, Object... words) {
        return String.format(Locale.ROOT, format, words);
    }

    /** The bound is this language's own, a quarter as long, with no pool. */
    private static String run(Lender pool, String work, int threads, int capacity, long ramp, long open)
        throws Exception {
        Lender none = new Lender.None();
        switch (work) {
            case "W1":
            case "W2":
                return pairs(pool, threads, ramp, open);
            case "W3": {
                double bound = spinning(none, threads, ramp, open / 4);
                double rate = spinning(pool, threads, ramp, open);
                return text("{\"share_of_bound\": %.4f, \"acquires_per_s\": %.1f}", rate / bound, rate);
            }
            case "W4": {
                double bound = crowd(none, capacity, ramp, open / 4).rate;
                return told(crowd(pool, threads, ramp, open), bound);
            }
            case "W5-hot":
                return handOver(pool, ramp, open, 0);
            case "W5-settled":
                return handOver(pool, ramp, open, 200_000);
            default:
                return "{\"error\": \"no such workload: " + work + "\"}";
        }
    }

    private static Lender make(String of, int capacity) throws Exception {
        return (Lender) Class.forName(of).getConstructor(int.class).newInstance(capacity);
    }

    public static void main(String[] words) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        Set<String> warm = new HashSet<>();
        calibrate();
        for (String line; (line = lines.readLine()) != null; ) {
            String[] asked = line.split(" ");
            int threads = Integer.parseInt(asked[1]), capacity = Integer.parseInt(asked[2]);
            long ramp = Long.parseLong(asked[3]), open = Long.parseLong(asked[4]);
            Lender pool = make(words[0], capacity);
            if (warm.add(asked[0]) && !asked[0].startsWith("W4")) {
                run(pool, asked[0], threads, capacity, 0, WARM_NS); // compiled by now
            }
            System.out.println(run(pool, asked[0], threads, capacity, ramp, open));
            System.out.flush();
            pool.end();
        }
    }
}
