# SPDX-License-Identifier: BSD-3-Clause
"""test_smtp: the managers of queuepool.smtpcm against aiosmtpd, which smtp_server runs.

`@verdict` compares with queuepool 1.3.2.  Nothing here sleeps to wait, and no mail leaves the machine.
"""
import ast
import gc
import os
import smtplib
import socket
import ssl
import sys
import time
import traceback
import warnings
from contextlib import contextmanager

import pytest

import queuepool
from helpers import fork
from queuepool import smtpcm
from smtp_server import LONG, PASSWORD, USER, Certificates, Server, Silent, Slow
from verdict import verdict

# aiosmtpd's, of a login without STARTTLS.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Requiring AUTH"),
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]
MAIL = ("from@test.invalid", ["to@test.invalid"], "Subject: one\n\nText.\n")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def manager_of(server, *credentials, **options):
    manager = smtpcm.ConnectionManager("mail", "127.0.0.1", server.port, *credentials, **options)
    try:
        yield manager
    finally:
        manager.close()


@contextmanager
def open_plain(server, **options):
    with manager_of(server, tls="none", **options) as manager:
        manager.open()
        yield manager


@contextmanager
def pool_of(server, *credentials, capacity=1, **options):
    with queuepool.Pool("mail", capacity) as pool:
        for number in range(capacity):
            pool.put(smtpcm.ConnectionManager(f"mail-{number}", "127.0.0.1", server.port, *credentials, **options))
        yield pool


# ---- the face of 1.3.2 ------------------------------------------------------------------------------------------


@verdict("same", "smtpcm: names, order of arguments, a repr without the password / the same")
def test_face():
    manager = smtpcm.ConnectionManager("mail", "smtp.test.invalid", 587, "me", "secret")
    assert isinstance(manager, queuepool.ResourceManager)
    assert (manager.host, manager.port, manager.user, manager.password) == ("smtp.test.invalid", 587, "me", "secret")
    shown = ast.literal_eval(repr(manager))
    assert list(shown) == ["host", "port", "user", "password", "ResourceManager"]
    assert shown["password"] == "xxxxxxx" and "secret" not in repr(manager)
    assert ast.literal_eval(shown["ResourceManager"])["name"] == "mail"
    assert callable(smtpcm.logg) and smtpcm.smtplib is smtplib and smtpcm.sys is sys
    assert smtpcm.pool is queuepool.pool


@verdict("same", "smtpcm: STARTTLS and login, no certificate verified, QUIT at close / the same by default")
def test_starttls_and_login_by_default(certificates):
    with Server(certificates, "starttls", auth=True, wrong_name=True) as server:
        with manager_of(server, USER, PASSWORD) as manager:
            manager.open()
            assert isinstance(manager.resource, smtplib.SMTP) and isinstance(manager.resource.sock, ssl.SSLSocket)
            assert manager.sendmail(*MAIL) == {}
        assert server.mails == [("from@test.invalid", ["to@test.invalid"], b"Subject: one\r\n\r\nText.\r\n")]
        assert server.connections[0].gone.wait(LONG)
        assert server.said() == ["EHLO", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


@verdict("same", "smtpcm: a server without STARTTLS is refused / the same by default")
def test_starttls_is_required():
    with Server() as server, manager_of(server) as manager:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            manager.open()
        assert manager.resource is None and not manager._isOpen
        assert server.connections[0].gone.wait(LONG)


@verdict("fixed", "smtpcm: host='' is a manager that never connects / open() raises ValueError, which names it")
def test_no_host():
    manager = smtpcm.ConnectionManager("mail")
    with pytest.raises(ValueError, match="manager 'mail': host is ''"):
        manager.open()
    assert not manager._isOpen


# ---- S1 to S8 ---------------------------------------------------------------------------------------------------


@verdict("fixed", "smtpcm S1: close() raises when the server has gone, the slot is lost / it is silent, the slot stays")
@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_s1_close_when_the_server_has_gone(certificates, tls):
    with Server(certificates, tls if tls != "none" else None) as server:
        with pool_of(server, tls=tls) as pool:
            with pytest.raises(ZeroDivisionError):
                with pool.take(timeout=LONG):
                    server.drop()
                    1 / 0  # so that the pool closes the manager
            with pool.take(timeout=LONG) as manager:
                assert manager.sendmail(*MAIL) == {}
        assert len(server.mails) == 1


@verdict("fixed", "smtpcm S2: a refused login loses the slot and leaves the socket / the socket closes, the slot stays")
def test_s2_refused_login(certificates):
    with Server(certificates, "starttls", auth=True) as server, pool_of(server, USER, "wrong") as pool:
        for _ in range(3):
            with warnings.catch_warnings(record=True) as left_open:
                warnings.simplefilter("always")
                with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                    pool.take(timeout=LONG)
                # The traceback still holds the session: closed it must be by open(), not by its collection.
                assert server.connections[-1].gone.wait(LONG)
                assert caught.value.smtp_code == 535 and "wrong" not in str(caught.value)
                assert "manager 'mail-0' opened" in caught.value.__notes__[0]
                del caught
                gc.collect()
            assert not [each for each in left_open if each.category is ResourceWarning]
        assert len(server.connections) == 3


@verdict("fixed", "smtpcm S3: logs in without credentials / no login without a user")
def test_s3_no_login_without_user(certificates):
    with Server(certificates, "starttls") as server, manager_of(server) as manager:
        manager.open()
        assert manager.sendmail(*MAIL) == {}
        assert "AUTH" not in server.said() and len(server.mails) == 1


@verdict("fixed", "smtpcm S4: sendmail drops the refused recipients / it returns them as a dict")
def test_s4_refused_recipients():
    with Server() as server, open_plain(server) as manager:
        refused = manager.sendmail(MAIL[0], ["nobody@test.invalid", "to@test.invalid"], MAIL[2])
        assert refused == {"nobody@test.invalid": (550, b"no such user")}
        refused = manager.sendmail(from_addr=MAIL[0], to_addrs="to@test.invalid", msg=MAIL[2], mail_options=())
        assert refused == {}
        assert [to for _, to, _ in server.mails] == [["to@test.invalid"]] * 2


@verdict("fixed", "smtpcm S5: timeout= is ignored, waits are for ever / it is honoured, 30 s by default")
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit", "optional"])
def test_s5_timeout(tls):
    with Silent() as server, manager_of(server, tls=tls, timeout=0.2) as manager:
        began = time.monotonic()
        with pytest.raises(OSError, match="timed out") as caught:
            manager.open()
        assert 0.1 < time.monotonic() - began < LONG
        assert "manager 'mail' opened" in caught.value.__notes__[0]
        assert not manager._isOpen
    assert smtpcm.ConnectionManager("mail").timeout == 30


@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_s5_a_long_mail_may_take_long(certificates, tls):
    """The timeout is of each wait, not of all that is sent."""
    with Server(certificates, tls if tls != "none" else None) as server, Slow(server.port) as way:
        with manager_of(way, tls=tls, timeout=0.5) as manager:
            manager.open()
            manager.resource.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, way.PIECE)
            began = time.monotonic()
            assert manager.sendmail(*MAIL[:2], "Subject: one\r\n\r\n" + 4000 * ("x" * 900 + "\r\n")) == {}
            assert time.monotonic() - began > 2 * manager.timeout and len(server.mails) == 1


@verdict("same", "smtpcm: further arguments are ignored / the same")
def test_s5_further_arguments():
    smtpcm.ConnectionManager("mail", "127.0.0.1", 25, None, None, "more", 3, another=1)


@verdict("fixed", "smtpcm S6: no check, no reset / NOOP before a lease, RSET after it; what fails is replaced")
def test_s6_checked_and_reset():
    with Server() as server, pool_of(server, tls="none") as pool:
        for _ in range(2):
            with pool.take(timeout=LONG) as manager:
                manager.sendmail(*MAIL)
        assert server.said() == ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "MAIL", "RCPT", "DATA", "RSET"]
        assert len(server.connections) == 1


@verdict("fixed", "smtpcm S7: a second close() raises / it does nothing")
def test_s7_close_twice():
    with Server() as server:
        with manager_of(server, tls="none") as manager:
            manager.close()
            manager.open()
            manager.close()
            manager.close()
            assert manager.resource is None and not manager._isOpen
        assert server.connections[0].gone.wait(LONG)
        assert server.said() == ["QUIT"]


def test_open_twice():
    with Server() as server, open_plain(server) as manager:
        first = manager.resource
        manager.open()
        assert manager.resource is not first and first.sock is None
        assert server.connections[0].gone.wait(LONG) and server.said(0) == ["QUIT"]


@verdict("added", "smtpcm S8: STARTTLS only / tls='implicit' is TLS from the first byte")
def test_s8_implicit_tls(certificates):
    with Server(certificates, "implicit", auth=True) as server:
        with manager_of(server, USER, PASSWORD, tls="implicit", cafile=certificates.ca) as manager:
            manager.open()
            assert manager.sendmail(*MAIL) == {} and len(server.mails) == 1


@verdict("added", "smtpcm S8: STARTTLS only / tls='optional' takes what there is, and sends no password in the clear")
def test_s8_optional_tls(certificates):
    with Server(certificates, "starttls", auth=True) as server:
        with manager_of(server, USER, PASSWORD, tls="optional") as manager:
            manager.open()
            assert isinstance(manager.resource.sock, ssl.SSLSocket)
    with Server() as server:
        with manager_of(server, tls="optional") as manager:
            manager.open()
            assert manager.sendmail(*MAIL) == {}
        with manager_of(server, USER, PASSWORD, tls="optional") as manager:
            with pytest.raises(smtplib.SMTPNotSupportedError, match="no password in the clear") as caught:
                manager.open()
            assert PASSWORD not in str(caught.value)
        assert server.connections[1].gone.wait(LONG)
        assert "AUTH" not in server.said()


@verdict("added", "smtpcm S8: STARTTLS only / tls='none'")
def test_s8_no_tls():
    with Server(auth=True) as server, manager_of(server, USER, PASSWORD, tls="none") as manager:
        manager.open()
        assert manager.sendmail(*MAIL) == {} and "AUTH" in server.said()


def verifications(certificates):
    """What verifies the server's certificate by the right CA, and by the wrong ones."""
    right = [dict(cafile=certificates.ca), dict(cafile=certificates.ca, verify=True)]
    right.append(dict(context=ssl.create_default_context(cafile=certificates.ca)))
    wrong = [dict(cafile=certificates.other_ca), dict(verify=True)]
    wrong.append(dict(context=ssl.create_default_context(cafile=certificates.other_ca)))
    return right, wrong


@verdict("added", "smtpcm S8: no certificate is verified / it is with verify=True, cafile= or context=")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_s8_verified_certificate(certificates, tls):
    right, wrong = verifications(certificates)
    with Server(certificates, tls) as server:
        for options in right:
            with manager_of(server, tls=tls, **options) as manager:
                manager.open()
                assert manager.takeRepair() is None and manager._isOpen
        for options in wrong:
            with manager_of(server, tls=tls, **options) as manager:
                with pytest.raises(ssl.SSLCertVerificationError):
                    manager.open()
                assert not manager._isOpen
        assert all(connection.gone.wait(LONG) for connection in server.connections)


@verdict("added", "smtpcm S8: a certificate for another name is accepted / refused when verified")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_s8_wrong_name(certificates, tls):
    with Server(certificates, tls, wrong_name=True) as server:
        with manager_of(server, USER, PASSWORD, tls=tls, cafile=certificates.ca) as manager:
            with pytest.raises(ssl.SSLCertVerificationError, match="not valid for '127.0.0.1'"):
                manager.open()
        assert all("AUTH" not in connection.verbs for connection in server.connections)


def test_port_within_the_host(certificates):
    with Server(certificates, "starttls") as server:
        manager = smtpcm.ConnectionManager("mail", f"127.0.0.1:{server.port}", cafile=certificates.ca)
        manager.open()
        manager.close()
        assert server.connections[0].gone.wait(LONG)


# ---- what a server may do ---------------------------------------------------------------------------------------


def test_dropped_while_idle():
    with Server() as server, pool_of(server, tls="none") as pool:
        with pool.take(timeout=LONG):
            pass
        server.drop()
        with pool.take(timeout=LONG) as manager:
            assert manager.sendmail(*MAIL) == {}
        assert len(server.connections) == 2 and "QUIT" not in server.said(0)


@pytest.mark.parametrize("fault", ["421 too long idle", "drop", "half", "hang", "what?"])
def test_failed_check(fault):
    with Server() as server, pool_of(server, tls="none", timeout=0.3 if fault == "hang" else LONG) as pool:
        with pool.take(timeout=LONG) as first:
            session = first.resource
        server.faults["NOOP"] = fault
        with pool.take(timeout=LONG) as manager:
            assert manager is first and manager.resource is not session
            assert manager.sendmail(*MAIL) == {}
        assert len(server.connections) == 2


@pytest.mark.parametrize("fault", ["421 shutting down", "drop", "half", "hang"])
def test_failed_reset(fault):
    with Server() as server, pool_of(server, tls="none", timeout=0.3 if fault == "hang" else LONG) as pool:
        server.faults["RSET"] = fault
        with pool.take(timeout=LONG) as manager:
            pass
        assert not manager._isOpen and manager.resource is None
        assert server.connections[0].gone.wait(LONG)


def test_refused_recipient_leaves_the_session_sound():
    with Server() as server, pool_of(server, tls="none") as pool:
        with pool.take(timeout=LONG) as manager:
            with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
                manager.sendmail(MAIL[0], "nobody@test.invalid", MAIL[2])
            assert caught.value.recipients == {"nobody@test.invalid": (550, b"no such user")}
        with pool.take(timeout=LONG) as manager:
            assert manager.sendmail(*MAIL) == {}
        assert len(server.connections) == 1 and server.said()[-6:] == ["RSET", "NOOP", "MAIL", "RCPT", "DATA", "RSET"]
        assert [to for _, to, _ in server.mails] == [["to@test.invalid"]]


def test_mail_begun_by_hand_is_forgotten():
    with Server() as server, pool_of(server, tls="none") as pool:
        with pool.take(timeout=LONG) as manager:
            manager.resource.ehlo()
            assert manager.resource.mail("from@test.invalid")[0] == 250
        with pool.take(timeout=LONG) as manager:
            assert manager.sendmail(*MAIL) == {}
        assert len(server.connections) == 1


def test_the_encoding_of_a_mail_ends_with_the_lease():
    with Server() as server, pool_of(server, tls="none") as pool:
        with pool.take(timeout=LONG) as manager:
            manager.resource.ehlo()
            manager.resource.esmtp_features["smtputf8"] = ""
            manager.resource.mail("from@test.invalid", ["SMTPUTF8"])
            assert manager.resource.command_encoding == "utf-8"
        with pool.take(timeout=LONG) as manager:
            with pytest.raises(UnicodeEncodeError):
                manager.resource.mail("\N{LATIN SMALL LETTER E WITH ACUTE}@test.invalid")
        assert len(server.connections) == 1 and server.mails == []


@pytest.mark.parametrize(
    "verb, fault",
    [(verb, fault) for verb in ("EHLO", "MAIL", "RCPT", "DATA") for fault in ("drop", "hang")]
    + [(verb, "421 shutting down") for verb in ("MAIL", "RCPT", "DATA")],
)
def test_fault_within_a_mail(verb, fault):
    with Server() as server, pool_of(server, tls="none", timeout=0.3 if fault == "hang" else LONG) as pool:
        server.faults[verb] = fault
        with pytest.raises(smtplib.SMTPException):
            with pool.take(timeout=LONG) as manager:
                manager.sendmail(*MAIL)
        assert server.connections[0].gone.wait(LONG)
        assert server.mails == [] and len(server.connections) == 1 and "QUIT" not in server.said()
        server.faults.clear()
        with pool.take(timeout=LONG) as manager:
            assert manager.sendmail(*MAIL) == {}
        assert len(server.mails) == 1


def test_dialogue_cut_short_is_not_continued():
    with Server() as server, open_plain(server) as manager:
        manager.resource.ehlo()
        manager.resource.mail("from@test.invalid")
        manager.resource.rcpt("to@test.invalid")
        manager.resource.docmd("DATA")  # and then the holder was interrupted
        manager.putRepair()
        assert not manager._isOpen
        assert server.connections[0].gone.wait(LONG)
        assert server.connections[0].received.endswith(b"DATA\r\n") and server.mails == []


def test_nothing_is_said_to_the_parents_server_after_fork(certificates):
    with Server(certificates, "implicit") as server:
        with manager_of(server, tls="implicit", cafile=certificates.ca) as manager:
            manager.open()
            child = fork()
            if child == 0:
                os._exit(child_of(manager))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            # One byte of the child, and TLS would have ended here.
            manager.takeRepair()
            assert manager._isOpen and manager.sendmail(*MAIL) == {}
        assert server.connections[0].gone.wait(LONG)
        assert server.said() == ["NOOP", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def child_of(manager):
    """0 if the child could not use the session, and got rid of it in silence."""
    try:
        manager.sendmail(*MAIL)
    except queuepool.PoolError as trouble:
        refused = "before a fork" in str(trouble)
    else:
        refused = False
    manager.putRepair()
    gone = manager.resource is None and not manager._isOpen
    manager.close()
    gc.collect()
    return 0 if refused and gone else 1


def test_pool_after_fork(certificates):
    options = dict(tls="implicit", cafile=certificates.ca)
    with Server(certificates, "implicit") as server, pool_of(server, capacity=2, **options) as pool:
        with pool.take(timeout=LONG), pool.take(timeout=LONG):
            pass  # both are open and idle
        with pool.take(timeout=LONG) as held:
            child = fork()
            if child == 0:
                os._exit(child_with(pool, held))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert held.sendmail(*MAIL) == {}
        with pool.take(timeout=LONG), pool.take(timeout=LONG):
            pass
        # The parent's two, which have noticed nothing, and the child's own two.
        assert len(server.connections) == 4 and len(server.mails) == 3
        assert all("QUIT" not in connection.verbs for connection in server.connections[:2])


def child_with(pool, held):
    """0 if the child could send a mail from each manager, on sessions of its own."""
    try:
        pool.put(held)
        with pool.take(timeout=LONG) as one, pool.take(timeout=LONG) as other:
            return 0 if one.sendmail(*MAIL) == other.sendmail(*MAIL) == {} else 1
    except BaseException:
        traceback.print_exc()
        return 2


# ---- arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, error, text",
    [
        (dict(tls="ssl"), ValueError, "tls is 'ssl'; it must be one of 'starttls', 'implicit'"),
        (dict(tls="none", verify=True), ValueError, "nothing is verified"),
        (dict(tls="optional", cafile="ca.pem"), ValueError, "nothing is verified"),
        (dict(cafile="ca.pem", verify=False), ValueError, "leave out one of the two"),
        (dict(context=ssl.create_default_context(), verify=True), ValueError, "leave out cafile and verify"),
        (dict(timeout=0), ValueError, "timeout is 0; it must be more than 0"),
        (dict(timeout=float("nan")), ValueError, "timeout is nan"),
        (dict(timeout="3"), TypeError, "timeout is '3'; it must be a number"),
        (dict(timeout=True), TypeError, "timeout is True"),
    ],
)
def test_arguments(options, error, text):
    with pytest.raises(error) as caught:
        smtpcm.ConnectionManager("mail", **options)
    assert text in str(caught.value) and "manager 'mail'" in str(caught.value)


@pytest.mark.parametrize(
    "credentials, text",
    [(("me", None), "there is no password"), (("me", "gehe\N{LATIN SMALL LETTER I WITH DIAERESIS}m"), "must be ASCII")],
)
def test_credentials(credentials, text):
    with Server() as server, manager_of(server, *credentials, tls="none") as manager:
        with pytest.raises(ValueError, match=text) as caught:
            manager.open()
        assert "gehe" not in str(caught.value) and caught.value.__context__ is None
        assert server.connections[0].gone.wait(LONG)


def test_unreadable_cafile(certificates, tmp_path):
    with Server(certificates, "starttls") as server:
        with manager_of(server, cafile=str(tmp_path / "none.pem")) as manager:
            with pytest.raises(ValueError, match="none.pem' cannot be read"):
                manager.open()
        assert server.connections[0].gone.wait(LONG)


def test_not_open():
    with pytest.raises(queuepool.PoolError, match="manager 'mail' is not open"):
        smtpcm.ConnectionManager("mail").sendmail(*MAIL)


def test_local_hostname_and_source_address():
    with Server() as server:
        with open_plain(server, local_hostname="here.invalid", source_address=("127.0.0.1", 0)) as manager:
            manager.sendmail(*MAIL)
            assert server.connections[0].session.host_name == "here.invalid"
            assert manager.resource.source_address == ("127.0.0.1", 0)
