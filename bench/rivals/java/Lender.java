// SPDX-License-Identifier: BSD-3-Clause

/** A pool of stubs: what the workloads know of it. */
interface Lender {
    Object get() throws Exception;

    void put(Object lent) throws Exception;

    void end() throws Exception;

    /** Nothing between threads and work: the bound. */
    final class None implements Lender {
        public Object get() { return null; }

        public void put(Object lent) {}

        public void end() {}
    }
}
