// SPDX-License-Identifier: BSD-3-Clause
import org.apache.commons.pool2.BasePooledObjectFactory;
import org.apache.commons.pool2.PooledObject;
import org.apache.commons.pool2.impl.DefaultPooledObject;
import org.apache.commons.pool2.impl.GenericObjectPool;
import org.apache.commons.pool2.impl.GenericObjectPoolConfig;

/** commons-pool2's GenericObjectPool, as its defaults are. */
public final class Commons implements Lender {
    private final GenericObjectPool<Object> pool;

    public Commons(int capacity) {
        GenericObjectPoolConfig<Object> config = new GenericObjectPoolConfig<>();
        config.setMaxTotal(capacity);
        config.setMaxIdle(capacity);
        pool = new GenericObjectPool<>(new Factory(), config);
    }

    public Object get() throws Exception { return pool.borrowObject(); }

    public void put(Object lent) { pool.returnObject(lent); }

    public void end() { pool.close(); }

    private static final class Factory extends BasePooledObjectFactory<Object> {
        @Override
        public Object create() { return new Object(); }

        @Override
        public PooledObject<Object> wrap(Object one) { return new DefaultPooledObject<>(one); }
    }
}
