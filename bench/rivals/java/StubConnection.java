// SPDX-License-Identifier: BSD-3-Clause
import java.sql.*;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executor;

/** What HikariCP asks of a connection, for nothing. */
final class StubConnection implements Connection {
    private boolean closed;

    public Statement createStatement() { return null; }
    public Statement createStatement(int a, int b) { return null; }
    public Statement createStatement(int a, int b, int c) { return null; }
    public PreparedStatement prepareStatement(String sql) { return null; }
    public PreparedStatement prepareStatement(String sql, int a) { return null; }
    public PreparedStatement prepareStatement(String sql, int a, int b) { return null; }
    public PreparedStatement prepareStatement(String sql, int a, int b, int c) { return null; }
    public PreparedStatement prepareStatement(String sql, int[] a) { return null; }
    public PreparedStatement prepareStatement(String sql, String[] a) { return null; }
    public CallableStatement prepareCall(String sql) { return null; }
    public CallableStatement prepareCall(String sql, int a, int b) { return null; }
    public CallableStatement prepareCall(String sql, int a, int b, int c) { return null; }
    public String nativeSQL(String sql) { return sql; }
    public void setAutoCommit(boolean on) {}
    public boolean getAutoCommit() { return true; }
    public void commit() {}
    public void rollback() {}
    public void rollback(Savepoint to) {}
    public void close() { closed = true; }
    public boolean isClosed() { return closed; }
    public DatabaseMetaData getMetaData() { return null; }
    public void setReadOnly(boolean on) {}
    public boolean isReadOnly() { return false; }
    public void setCatalog(String name) {}
    public String getCatalog() { return "stub"; }
    public void setTransactionIsolation(int level) {}
    public int getTransactionIsolation() { return TRANSACTION_READ_COMMITTED; }
    public SQLWarning getWarnings() { return null; }
    public void clearWarnings() {}
    public Map<String, Class<?>> getTypeMap() { return null; }
    public void setTypeMap(Map<String, Class<?>> map) {}
    public void setHoldability(int a) {}
    public int getHoldability() { return 0; }
    public Savepoint setSavepoint() { return null; }
    public Savepoint setSavepoint(String name) { return null; }
    public void releaseSavepoint(Savepoint which) {}
    public Clob createClob() { return null; }
    public Blob createBlob() { return null; }
    public NClob createNClob() { return null; }
    public SQLXML createSQLXML() { return null; }
    public boolean isValid(int seconds) { return true; }
    public void setClientInfo(String name, String value) {}
    public void setClientInfo(Properties all) {}
    public String getClientInfo(String name) { return null; }
    public Properties getClientInfo() { return null; }
    public Array createArrayOf(String type, Object[] of) { return null; }
    public Struct createStruct(String type, Object[] of) { return null; }
    public void setSchema(String name) {}
    public String getSchema() { return "stub"; }
    public void abort(Executor by) {}
    public void setNetworkTimeout(Executor by, int ms) {}
    public int getNetworkTimeout() { return 0; }
    public <T> T unwrap(Class<T> as) { return as.cast(this); }
    public boolean isWrapperFor(Class<?> as) { return as.isInstance(this); }
}
