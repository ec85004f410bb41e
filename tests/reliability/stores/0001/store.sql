BEGIN TRANSACTION;
CREATE TABLE agent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    principal_id BIGINT REFERENCES principal (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    embedded INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    facts TEXT NOT NULL,
    max_runs INTEGER NOT NULL,
    session TEXT,
    boot_id TEXT NOT NULL,
    last_contact_at BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
INSERT INTO "agent" VALUES(10001,'01a20407dde871ed8fea892b362d167a',1,NULL,'here','here',1,1,'{"name":"here","platform":"linux","version":"0.1.0","boot_id":"ab1f9827-d35c-4977-a974-1954089fb063","addresses":["192.0.2.2","fd00::2"],"capabilities":["sh","bash","python"],"max_runs":10,"embedded":true}',10,'01a20407dde77053b39c613dbdb8afbb','ab1f9827-d35c-4977-a974-1954089fb063',1795363954171627,1795363954151990,NULL);
CREATE TABLE audit_entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    at BIGINT NOT NULL,
    principal_id BIGINT,
    principal_name TEXT NOT NULL,
    address TEXT NOT NULL,
    surface TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_guid TEXT,
    object_name TEXT NOT NULL,
    before TEXT,
    after TEXT,
    comment TEXT NOT NULL
);
INSERT INTO "audit_entry" VALUES(1,1,1795363952202015,NULL,'','','cli','','login.add','login','01a20407d6487004ad397bb8e0786cf6','admin',NULL,'{"description":"","roles":["Administrators"],"password":"********"}','');
INSERT INTO "audit_entry" VALUES(2,1,1795363953169118,NULL,'','','cli','','create','module','a5d0f1c71b6758f2984da1f85b7384c8','Plain',NULL,'{"name":"Plain","folder":"","enabled":true,"parameters":0,"tasks":1}','');
INSERT INTO "audit_entry" VALUES(3,1,1795363953170486,NULL,'','','cli','','create','module','5458cfcf02a65793b190b1c6bd89fffe','Forking',NULL,'{"name":"Forking","folder":"","enabled":true,"parameters":0,"tasks":1}','');
INSERT INTO "audit_entry" VALUES(4,1,1795363953171367,NULL,'','','cli','','create','module','39bcf4b6810255588f86c5393fda4a81','Retried',NULL,'{"name":"Retried","folder":"","enabled":true,"parameters":0,"tasks":1}','');
CREATE TABLE blob (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    state SMALLINT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT,
    created_at BIGINT NOT NULL
);
INSERT INTO "blob" VALUES(1,'01a20407df0e72c18db4c9676f0adccc',1,1,12,'71fe348d841941fe2c3a1828f01dc9a0cdad7acaef8b41707bd3f36bac3260ba',1795363954446591);
INSERT INTO "blob" VALUES(2,'01a20407df287213af6fa671621b7be7',1,1,18,'ff43c4d99de4735928aa8ea0a01bad90dd0f624e6df75e7f4d21d65a74815a5a',1795363954472424);
CREATE TABLE blob_chunk (
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    seq INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (blob_id, seq)
);
INSERT INTO "blob_chunk" VALUES(1,0,X'736F6D65206F75747075740A');
INSERT INTO "blob_chunk" VALUES(2,0,X'6368696C6472656E20617265206C6566740A');
CREATE TABLE credential (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    kind SMALLINT NOT NULL,
    verifier TEXT NOT NULL,
    secret_id BIGINT REFERENCES secret (id),
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
INSERT INTO "credential" VALUES(1,'01a20407d6487004ad397bb973779b40',10001,0,'$argon2id$v=19$m=19456,t=2,p=1$HpGI3fpZzyjupO3n8P5+Aw$Myy+ZS/PhgjbJCOR/sjaI1uX5Niw1mu+1L+3C252k0U',NULL,'',1795363952200016,NULL,NULL);
CREATE TABLE definition (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    version_id BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    UNIQUE (tenant_id, guid)
);
INSERT INTO "definition" VALUES(10001,'a5d0f1c71b6758f2984da1f85b7384c8',1,0,NULL,'Plain','plain',1,1,1795363953168292,NULL);
INSERT INTO "definition" VALUES(10002,'5458cfcf02a65793b190b1c6bd89fffe',1,0,NULL,'Forking','forking',1,2,1795363953169992,NULL);
INSERT INTO "definition" VALUES(10003,'39bcf4b6810255588f86c5393fda4a81',1,0,NULL,'Retried','retried',1,3,1795363953170908,NULL);
CREATE TABLE definition_version (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    definition_id BIGINT NOT NULL REFERENCES definition (id),
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by BIGINT,
    UNIQUE (definition_id, number)
);
INSERT INTO "definition_version" VALUES(1,10001,1,'{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","name":"Plain","description":"","folder":"","comment":"","enabled":true,"parameters":[],"tasks":[{"guid":"6602eb8f-8091-5ed0-8085-92ba4509cc9a","name":"Plain","type":"script","settings":{"interpreter":"sh","text":"line() {\n  echo \"$1 $GATEWAY_JOB $GATEWAY_RUN $$\" |\n    dd of=\"$TMPDIR/lines\" oflag=append conv=notrunc,fsync status=none\n}\nline begun\nsleep 0.03\necho some output\nline ended\n"},"timeout":3600.0,"on_failure":"stop","conditions":[],"enabled":true,"keep_processes":false,"log_limit":null}],"retries":0}',1795363953168802,NULL);
INSERT INTO "definition_version" VALUES(2,10002,1,'{"guid":"5458cfcf-02a6-5793-b190-b1c6bd89fffe","name":"Forking","description":"","folder":"","comment":"","enabled":true,"parameters":[],"tasks":[{"guid":"b0875046-1e86-5f75-9716-c76907703676","name":"Forking","type":"script","settings":{"interpreter":"sh","text":"line() {\n  echo \"$1 $GATEWAY_JOB $GATEWAY_RUN $$\" |\n    dd of=\"$TMPDIR/lines\" oflag=append conv=notrunc,fsync status=none\n}\nline begun\nsleep 90 &\n(setsid sh -c ''trap \"\" TERM; sleep 90'' &)\nsleep 0.05\necho children are left\nline ended\n"},"timeout":3600.0,"on_failure":"stop","conditions":[],"enabled":true,"keep_processes":false,"log_limit":null}],"retries":0}',1795363953170278,NULL);
INSERT INTO "definition_version" VALUES(3,10003,1,'{"guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81","name":"Retried","description":"","folder":"","comment":"","enabled":true,"parameters":[],"tasks":[{"guid":"eef7df27-d2fd-53ea-b919-29ca94771672","name":"Retried","type":"script","settings":{"interpreter":"sh","text":"line() {\n  echo \"$1 $GATEWAY_JOB $GATEWAY_RUN $$\" |\n    dd of=\"$TMPDIR/lines\" oflag=append conv=notrunc,fsync status=none\n}\nexec 9>\"$TMPDIR/$GATEWAY_RUN\"\nflock -n 9 || line overlap\nline begun\nsleep 90 &\nsleep 0.1\nline ended\n"},"timeout":3600.0,"on_failure":"stop","conditions":[],"enabled":true,"keep_processes":false,"log_limit":null}],"retries":3}',1795363953171174,NULL);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    parent_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    path TEXT NOT NULL,
    path_key TEXT NOT NULL,
    UNIQUE (tenant_id, kind, path_key)
);
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    parent_id BIGINT,
    schedule_id BIGINT,
    definition_id BIGINT,
    folder_id BIGINT,
    owner_id BIGINT,
    origin SMALLINT NOT NULL,
    recurring INTEGER NOT NULL,
    status SMALLINT NOT NULL,
    stage SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    runs_open INTEGER NOT NULL,
    due_at BIGINT,
    launch_by BIGINT,
    wake_at BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);
INSERT INTO "job" VALUES(10001,'01a20407de807508879f56ef79cba480',1,NULL,NULL,10001,NULL,10001,1,0,4,2,'',5,0,1795363954303627,1795968754303627,NULL,1795363954303627,1795363954391593,1795363954449520);
INSERT INTO "job" VALUES(10002,'01a20407de867593b81cee346b37ce66',1,NULL,NULL,10002,NULL,10001,1,0,4,2,'',5,0,1795363954309998,1795968754309998,NULL,1795363954309998,1795363954391593,1795363954471787);
INSERT INTO "job" VALUES(10003,'01a20407de89709d86abd2ecca9590cb',1,NULL,NULL,10003,NULL,10001,1,0,4,2,'',5,0,1795363954312647,1795968754312647,NULL,1795363954312647,1795363954391593,1795363954517727);
CREATE TABLE job_acceptance (
    owner_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    token TEXT NOT NULL,
    job_id BIGINT NOT NULL REFERENCES job (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, kind, token)
);
CREATE TABLE job_counter (
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    stage SMALLINT NOT NULL,
    origin SMALLINT NOT NULL,
    recurring INTEGER NOT NULL,
    folder_id BIGINT NOT NULL,
    slot SMALLINT NOT NULL,
    jobs BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, stage, origin, recurring, folder_id, slot)
);
INSERT INTO "job_counter" VALUES(1,0,1,0,0,0,0);
INSERT INTO "job_counter" VALUES(1,1,1,0,0,0,0);
INSERT INTO "job_counter" VALUES(1,2,1,0,0,0,3);
CREATE TABLE job_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id BIGINT NOT NULL REFERENCES job (id),
    run_id BIGINT,
    at BIGINT NOT NULL,
    before SMALLINT,
    after SMALLINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
);
INSERT INTO "job_event" VALUES(1,10001,NULL,1795363954303627,NULL,0,'admin','');
INSERT INTO "job_event" VALUES(2,10002,NULL,1795363954309998,NULL,0,'admin','');
INSERT INTO "job_event" VALUES(3,10003,NULL,1795363954312647,NULL,0,'admin','');
INSERT INTO "job_event" VALUES(4,10001,NULL,1795363954391593,0,1,'agent','');
INSERT INTO "job_event" VALUES(5,10002,NULL,1795363954391593,0,1,'agent','');
INSERT INTO "job_event" VALUES(6,10003,NULL,1795363954391593,0,1,'agent','');
INSERT INTO "job_event" VALUES(7,10001,NULL,1795363954449520,1,4,'engine','');
INSERT INTO "job_event" VALUES(8,10002,NULL,1795363954471787,1,4,'engine','');
INSERT INTO "job_event" VALUES(9,10003,NULL,1795363954517727,1,4,'engine','');
CREATE TABLE job_request (
    job_id BIGINT PRIMARY KEY REFERENCES job (id),
    description TEXT NOT NULL,
    surface TEXT NOT NULL,
    timing TEXT NOT NULL,
    what TEXT NOT NULL,
    who TEXT NOT NULL,
    parameters TEXT NOT NULL,
    options TEXT NOT NULL,
    extras TEXT
);
INSERT INTO "job_request" VALUES(10001,'load','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"a5d0f1c7-1b67-58f2-984d-a1f85b7384c8","kind":0,"name":"Plain","version":1}]','[{"agent":10001,"guid":"01a20407-dde8-71ed-8fea-892b362d167a","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":0,"tasks":1}',NULL);
INSERT INTO "job_request" VALUES(10002,'load','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"5458cfcf-02a6-5793-b190-b1c6bd89fffe","kind":0,"name":"Forking","version":2}]','[{"agent":10001,"guid":"01a20407-dde8-71ed-8fea-892b362d167a","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":0,"tasks":1}',NULL);
INSERT INTO "job_request" VALUES(10003,'load','dispatcher','{"immediate":true,"scheduled_at":null,"local_time":false,"wake_on_lan":false}','[{"guid":"39bcf4b6-8102-5558-8f86-c5393fda4a81","kind":0,"name":"Retried","version":3}]','[{"agent":10001,"guid":"01a20407-dde8-71ed-8fea-892b362d167a","name":"here"}]','[]','{"in_parallel":false,"launch_timeout":604800000000,"retries":3,"tasks":1}',NULL);
CREATE TABLE principal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    kind SMALLINT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
INSERT INTO "principal" VALUES(10001,'01a20407d6487004ad397bb8e0786cf6',1,0,'admin','admin','',0,1795363952200016,NULL);
CREATE TABLE resource (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    folder_id BIGINT REFERENCES folder (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    version_id BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    UNIQUE (tenant_id, guid)
);
CREATE TABLE resource_version (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    resource_id BIGINT NOT NULL REFERENCES resource (id),
    number INTEGER NOT NULL,
    file_name TEXT NOT NULL,
    blob_id BIGINT NOT NULL REFERENCES blob (id),
    comment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by BIGINT,
    UNIQUE (resource_id, number)
);
CREATE TABLE role (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    builtin INTEGER NOT NULL,
    UNIQUE (tenant_id, name_key)
);
INSERT INTO "role" VALUES(10001,'01a20407d6487004ad397bba7194e3ac',1,'Administrators','administrators',1);
INSERT INTO "role" VALUES(10002,'01a20407d6487004ad397bbb37e0ce7d',1,'Operators','operators',1);
INSERT INTO "role" VALUES(10003,'01a20407d64976a89a15c6001ad2209a',1,'Schedulers','schedulers',1);
INSERT INTO "role" VALUES(10004,'01a20407d64976a89a15c6015038a5b2',1,'Readers','readers',1);
CREATE TABLE role_binding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    principal_id BIGINT NOT NULL REFERENCES principal (id),
    role_id BIGINT NOT NULL REFERENCES role (id),
    scope_kind SMALLINT NOT NULL,
    scope_id BIGINT NOT NULL,
    UNIQUE (principal_id, role_id, scope_kind, scope_id)
);
INSERT INTO "role_binding" VALUES(1,10001,10001,0,0);
CREATE TABLE role_permission (
    role_id BIGINT NOT NULL REFERENCES role (id),
    node TEXT NOT NULL,
    access SMALLINT NOT NULL,
    PRIMARY KEY (role_id, node)
);
INSERT INTO "role_permission" VALUES(10001,'*',2);
INSERT INTO "role_permission" VALUES(10002,'*',1);
INSERT INTO "role_permission" VALUES(10002,'Jobs',2);
INSERT INTO "role_permission" VALUES(10003,'Modules',1);
INSERT INTO "role_permission" VALUES(10003,'Projects',1);
INSERT INTO "role_permission" VALUES(10003,'RunBooks',1);
INSERT INTO "role_permission" VALUES(10003,'Agents',1);
INSERT INTO "role_permission" VALUES(10003,'Teams',1);
INSERT INTO "role_permission" VALUES(10003,'Jobs',2);
INSERT INTO "role_permission" VALUES(10004,'*',1);
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    job_id BIGINT NOT NULL REFERENCES job (id),
    agent_id BIGINT NOT NULL REFERENCES agent (id),
    attempt SMALLINT NOT NULL,
    status SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    session TEXT,
    lease_until BIGINT,
    tasks_total INTEGER NOT NULL,
    tasks_done INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);
INSERT INTO "run" VALUES(1,'01a20407de8275579b4abb8f5797437f',10001,10001,1,4,'',5,'01a20407dde77053b39c613dbdb8afbb',NULL,1,1,1795363954303627,1795363954391593,1795363954449520);
INSERT INTO "run" VALUES(2,'01a20407de867593b81cee357133b151',10002,10001,1,4,'',5,'01a20407dde77053b39c613dbdb8afbb',NULL,1,1,1795363954309998,1795363954391593,1795363954471787);
INSERT INTO "run" VALUES(3,'01a20407de89709d86abd2ed5dc3ec3d',10003,10001,1,4,'',5,'01a20407dde77053b39c613dbdb8afbb',NULL,1,1,1795363954312647,1795363954391593,1795363954517727);
CREATE TABLE schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    job_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    rule TEXT NOT NULL,
    zone TEXT NOT NULL,
    starts_at BIGINT,
    ends_at BIGINT,
    missed_runs SMALLINT NOT NULL,
    grace BIGINT NOT NULL,
    enabled INTEGER NOT NULL,
    next_due_at BIGINT
);
CREATE TABLE schedule_firing (
    schedule_id BIGINT NOT NULL REFERENCES schedule (id),
    due_at BIGINT NOT NULL,
    outcome SMALLINT NOT NULL,
    job_id BIGINT,
    at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (schedule_id, due_at)
);
CREATE TABLE "schema_migration" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "applied" DATETIME NOT NULL);
INSERT INTO "schema_migration" VALUES(1,'0001_initial','2026-11-22 16:12:32.128497');
CREATE TABLE secret (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    purpose TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE store_fact (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO "store_fact" VALUES('incarnation','407cd660-b6d0-4f72-b1d0-b0b7699df83c');
INSERT INTO "store_fact" VALUES('security_epoch','2');
INSERT INTO "store_fact" VALUES('readable_from','1');
INSERT INTO "store_fact" VALUES('vault_canary','0177003afb403fe833807c704bfdab6f736c473a0c8a5471422a112991ef525d2e5a34b0aa77488e2ffa34758eb800c5447b23e3de313cfc96ad8e721a96d7a9488439');
CREATE TABLE task_result (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id BIGINT NOT NULL REFERENCES run (id),
    attempt SMALLINT NOT NULL,
    seq INTEGER NOT NULL,
    task_guid TEXT NOT NULL,
    module_guid TEXT NOT NULL,
    module TEXT NOT NULL,
    name TEXT NOT NULL,
    status SMALLINT NOT NULL,
    exit_code BIGINT,
    detail TEXT NOT NULL,
    outputs TEXT NOT NULL,
    log_id BIGINT REFERENCES blob (id),
    log_truncated INTEGER NOT NULL,
    process TEXT,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (run_id, attempt, seq)
);
INSERT INTO "task_result" VALUES(1,1,1,0,'6602eb8f80915ed0808592ba4509cc9a','a5d0f1c71b6758f2984da1f85b7384c8','Plain','Plain',4,0,'','{}',1,0,'{"pid":31337,"started_at":1795363953420000,"boot_id":"ab1f9827-d35c-4977-a974-1954089fb063"}',1795363954395605,1795363954445377);
INSERT INTO "task_result" VALUES(2,2,1,0,'b08750461e865f759716c76907703676','5458cfcf02a65793b190b1c6bd89fffe','Forking','Forking',4,0,'','{}',2,0,'{"pid":31330,"started_at":1795363953420000,"boot_id":"ab1f9827-d35c-4977-a974-1954089fb063"}',1795363954398973,1795363954471293);
INSERT INTO "task_result" VALUES(3,3,1,0,'eef7df27d2fd53eab91929ca94771672','39bcf4b6810255588f86c5393fda4a81','Retried','Retried',4,0,'','{}',NULL,0,'{"pid":31334,"started_at":1795363953420000,"boot_id":"ab1f9827-d35c-4977-a974-1954089fb063"}',1795363954401025,1795363954517244);
CREATE TABLE tenant (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE
);
INSERT INTO "tenant" VALUES(1,'00000000000000000000000000000001','default');
CREATE UNIQUE INDEX "schema_migration_name" ON "schema_migration" ("name");
CREATE UNIQUE INDEX principal_name ON principal (tenant_id, kind, name_key)
    WHERE deleted_at IS NULL;
CREATE INDEX credential_principal ON credential (principal_id, kind);
CREATE INDEX audit_entry_at ON audit_entry (tenant_id, at);
CREATE INDEX definition_name ON definition (tenant_id, kind, name_key);
CREATE INDEX blob_unpublished ON blob (created_at) WHERE state = 0;
CREATE INDEX resource_name ON resource (tenant_id, name_key);
CREATE INDEX agent_name ON agent (tenant_id, name_key);
CREATE INDEX schedule_job ON schedule (job_id);
CREATE INDEX job_stage ON job (tenant_id, stage, id);
CREATE INDEX job_wake ON job (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX job_parent ON job (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_event_job ON job_event (job_id, id);
CREATE INDEX job_acceptance_at ON job_acceptance (created_at);
CREATE INDEX run_waiting ON run (agent_id, priority DESC, id) WHERE status = 0;
CREATE INDEX run_held ON run (agent_id, id) WHERE status IN (1, 2);
CREATE INDEX run_job ON run (job_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('principal',10001);
INSERT INTO "sqlite_sequence" VALUES('role',10004);
INSERT INTO "sqlite_sequence" VALUES('folder',10000);
INSERT INTO "sqlite_sequence" VALUES('definition',10003);
INSERT INTO "sqlite_sequence" VALUES('resource',10000);
INSERT INTO "sqlite_sequence" VALUES('agent',10001);
INSERT INTO "sqlite_sequence" VALUES('schedule',10000);
INSERT INTO "sqlite_sequence" VALUES('job',10003);
INSERT INTO "sqlite_sequence" VALUES('tenant',1);
INSERT INTO "sqlite_sequence" VALUES('credential',1);
INSERT INTO "sqlite_sequence" VALUES('role_binding',1);
INSERT INTO "sqlite_sequence" VALUES('audit_entry',4);
INSERT INTO "sqlite_sequence" VALUES('definition_version',3);
INSERT INTO "sqlite_sequence" VALUES('job_event',9);
INSERT INTO "sqlite_sequence" VALUES('run',3);
INSERT INTO "sqlite_sequence" VALUES('task_result',3);
INSERT INTO "sqlite_sequence" VALUES('blob',2);
COMMIT;
