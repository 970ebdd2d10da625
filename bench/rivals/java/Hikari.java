// SPDX-License-Identifier: BSD-3-Clause
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.PrintWriter;
import java.sql.Connection;
import java.util.logging.Logger;
import javax.sql.DataSource;

/** HikariCP over stubs, as its defaults are. */
public final class Hikari implements Lender {
    private final HikariDataSource pool;

    public Hikari(int capacity) throws Exception {
        HikariConfig config = new HikariConfig();
        config.setDataSource(new Source());
        config.setMaximumPoolSize(capacity);
        config.setMinimumIdle(capacity);
        config.setConnectionTimeout(600_000);
        pool = new HikariDataSource(config);
        Connection[] all = new Connection[capacity];
        for (int i = 0; i < capacity; i++) {
            all[i] = pool.getConnection();
        }
        for (Connection one : all) {
            one.close();
        }
    }

    public Object get() throws Exception { return pool.getConnection(); }

    public void put(Object lent) throws Exception { ((Connection) lent).close(); }

    public void end() { pool.close(); }

    private static final class Source implements DataSource {
        public Connection getConnection() { return new StubConnection(); }
        public Connection getConnection(String user, String password) { return new StubConnection(); }
        public PrintWriter getLogWriter() { return null; }
        public void setLogWriter(PrintWriter to) {}
        public void setLoginTimeout(int seconds) {}
        public int getLoginTimeout() { return 0; }
        public Logger getParentLogger() { return null; }
        public <T> T unwrap(Class<T> as) { return as.cast(this); }
        public boolean isWrapperFor(Class<?> as) { return as.isInstance(this); }
    }
}
