//! Keys that Apache RocketMQ 4.9 and 5.5 know and that have no meaning here, each with the reason, so that an existing `broker.conf`
//! or name server file is taken as it is and its owner learns what no longer matters. Names only; values are not looked at.

use super::key::Role;
use super::keys;

/// Keys without meaning for one reason.
struct NoMeaning {
    reason: &'static str,
    /// The names, separated by blanks.
    names: &'static str,
}

const OTHER_ROLE_BROKER: &str = "it is the broker's, and this is a name server";
const OTHER_ROLE_NAME_SERVER: &str = "it is the name server's, and this is a broker; in a standalone file it belongs in the table namesrv";

/// Why a key that Apache knows has no meaning here.
pub(super) fn reason(role: Role, name: &str) -> Option<&'static str> {
    let listed = NO_MEANING
        .iter()
        .find(|group| {
            group
                .names
                .split_ascii_whitespace()
                .any(|known| known == name)
        })
        .map(|group| group.reason);
    listed.or_else(|| match role {
        Role::NameServer => keys::find(Role::Broker, name).map(|_| OTHER_ROLE_BROKER),
        Role::Broker => keys::find(Role::NameServer, name).map(|_| OTHER_ROLE_NAME_SERVER),
    })
}

/// All their names, as candidates for the nearest known key.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NO_MEANING
        .iter()
        .flat_map(|group| group.names.split_ascii_whitespace())
}

static NO_MEANING: &[NoMeaning] = &[
    NoMeaning {
        reason: "requests are served by a fixed set of async threads (workerThreads), without pools and queues to tune",
        names: "ackMessageThreadPoolNums ackThreadPoolQueueCapacity adminBrokerThreadPoolNums \
                adminBrokerThreadPoolQueueCapacity batchDispatchRequestThreadPoolNums \
                clientAsyncSemaphoreValue clientCallbackExecutorThreads clientManageThreadPoolNums \
                clientManagerThreadPoolQueueCapacity clientOnewaySemaphoreValue \
                clientRequestThreadPoolNums clientRequestThreadPoolQueueCapacity clientWorkerThreads \
                compactionThreadNum consumerManageThreadPoolNums \
                consumerManagerThreadPoolQueueCapacity controllerRequestThreadPoolQueueCapacity \
                controllerThreadPoolNums defaultThreadPoolNums defaultThreadPoolQueueCapacity \
                dispatchCqThreads endTransactionPoolQueueCapacity endTransactionThreadPoolNums \
                heartbeatThreadPoolNums heartbeatThreadPoolQueueCapacity \
                litePullMessageThreadPoolNums litePullThreadPoolQueueCapacity \
                loadBalanceProcessorThreadPoolNums loadBalanceThreadPoolQueueCapacity \
                processReplyMessageThreadPoolNums pullMessageThreadPoolNums \
                pullThreadPoolQueueCapacity putMessageFutureThreadPoolNums \
                putThreadPoolQueueCapacity queryMessageThreadPoolNums queryThreadPoolQueueCapacity \
                recoverThreadPoolNums replyThreadPoolQueueCapacity sendMessageThreadPoolNums \
                sendThreadPoolQueueCapacity serverAsyncSemaphoreValue serverCallbackExecutorThreads \
                serverOnewaySemaphoreValue serverSelectorThreads serverWorkerThreads \
                timerGetMessageThreadNum timerPutMessageThreadNum timerReputServiceCorePoolSize \
                timerReputServiceMaxPoolSize timerReputServiceQueueCapacity \
                transactionCheckRocksdbCoreThreads transactionCheckRocksdbMaxThreads \
                transactionCheckRocksdbQueueCapacity transientStorePoolSize \
                unRegisterBrokerQueueCapacity",
    },
    NoMeaning {
        reason: "requests do not wait in queues, so there is no time-out for waiting in one",
        names: "brokerFastFailureEnable maxAsyncPutMessageRequests osPageCacheBusyTimeOutMills \
                putMessageTimeout startAcceptSendRequestTimeStamp syncFlushTimeout \
                waitTimeMillsInAckQueue waitTimeMillsInAdminBrokerQueue \
                waitTimeMillsInHeartbeatQueue waitTimeMillsInLitePullQueue waitTimeMillsInPullQueue \
                waitTimeMillsInSendQueue waitTimeMillsInTransactionQueue",
    },
    NoMeaning {
        reason: "replication, acting masters and election are not built yet; a broker alone needs none of its settings",
        names: "brokerElectionPriority brokerHeartbeatInterval brokerIP2 \
                brokerNotActiveTimeoutMillis checkSyncStateSetPeriod cleanOfflineBrokerInterval \
                compatibleWithOldNameSrv controllerAddr controllerDLegerGroup controllerDLegerPeers \
                controllerDLegerSelfId controllerHeartBeatTimeoutMills controllerStorePath \
                controllerType dLegerGroup dLegerPeers dLegerSelfId electMasterMaxRetryCount \
                enableElectUncleanMaster enableRemoteEscape fetchControllerAddrByDnsLookup \
                haFlowControlEnable haHousekeepingInterval haListenPort haMaxGapNotInSync \
                haMaxTimeSlaveNotCatchup haSendHeartbeatInterval haSlaveFallbehindMax \
                haTransferBatchSize jraftConfig maxHaTransferByteInSecond maxSlaveResendLength \
                notifyBrokerRoleChanged notifyMinBrokerIdChanged offsetCheckInSlave \
                preferredLeaderId processReadEvent replicasPerDiskPartition \
                scanInactiveMasterInterval sendHeartbeatTimeoutMillis skipPreOnline slaveTimeout \
                storePathBrokerIdentity storePathDLedgerCommitLog storePathEpochFile \
                syncBrokerMemberGroupPeriod syncBrokerMetadataPeriod syncControllerMetadataPeriod \
                syncFromLastFile syncMasterFlushOffsetWhenStartup",
    },
    NoMeaning {
        reason: "pop consumption is not built yet",
        names: "appendAckAsync appendCkAsync defaultMessageRequestMode defaultPopShareQueueNum \
                enableLitePopLog enableNotifyAfterPopOrderLockRelease \
                enableNotifyBeforePopCalculateLag enablePopBatchAck enablePopBufferMerge \
                enablePopLog enablePopMessageThreshold enablePopMetrics enableRetryTopicV2 \
                enableSkipLongAwaitingAck initPopOffsetByCheckMsgInMem \
                loadBalancePollNameServerInterval maxMessageFilterNumForNotification \
                maxPopPollingSize popCkMaxBufferSize popCkOffsetMaxQueueSize popCkStayBufferTime \
                popCkStayBufferTimeOut popConsumerFSServiceInit popConsumerKVServiceEnable \
                popConsumerKVServiceInit popConsumerKVServiceLog popFromRetryProbability \
                popFromRetryProbabilityForPriority popInflightMessageThreshold \
                popLongPollingForceNotifyInterval popPollingMapExpireTimeSeconds popPollingMapSize \
                popPollingSize popResponseReturnActualRetryTopic popReviveConcurrency \
                popReviveMaxAttemptTimes popReviveMaxReturnSizePerRead popReviveSkipIfGroupAbsent \
                priorityOrderAsc retrieveMessageFromPopRetryTopicV1 reviveAckWaitMs reviveInterval \
                reviveMaxSlow reviveQueueNum reviveScanTime serverLoadBalancerEnable \
                skipWhenCKRePutReachMaxTimes useMessageFilterForNotification useSeparateRetryQueue",
    },
    NoMeaning {
        reason: "lite topics are not built",
        names: "enableLiteEventMode liteEventCheckInterval liteEventFullDispatchDelayTime \
                liteEventFullDispatchDelayTimeForWildcardGroup liteLagCountMetricsEnable \
                liteLagLatencyCollectEnable liteLagLatencyMetricsEnable liteLagLatencyTopK \
                liteSubscriptionCheckInterval liteSubscriptionCheckTimeoutMills liteTtlCheckInterval \
                maxClientEventCount maxLiteSubscriptionCount minLiteTTl",
    },
    NoMeaning {
        reason: "transactions are not built yet: a transactional send is refused",
        names: "enableTransactionMetrics rejectTransactionMessage transWriteOriginTransHalfEnable \
                transactionCheckInterval transactionCheckMax transactionMetricFlushInterval \
                transactionOpBatchInterval transactionOpMsgMaxSize transactionTimeOut",
    },
    NoMeaning {
        reason: "messages delayed by an arbitrary time are not built yet; the delay levels are (messageDelayLevel)",
        names: "allowRecallWhenBrokerNotWriteable appendTopicForTimerDeleteKey \
                mappedFileSizeTimerLog recallMessageEnable timerColdDataCheckIntervalMs \
                timerCongestNumEachSlot timerEnableCheckMetrics timerEnableRetryUntilSuccess \
                timerFlushIntervalMs timerInterceptDelayLevel timerMaxDelaySec \
                timerMetricSmallThreshold timerPrecisionMs timerProgressLogIntervalMs \
                timerRecallToTimeWheelEnable timerRecallToTimelineEnable timerRocksDBPrecisionMs \
                timerRocksDBRollIntervalHours timerRocksDBRollMaxTps timerRocksDBRollRangeHours \
                timerRocksDBStopScan timerRocksDBTimeExpiredMaxTps timerRollWindowSlot \
                timerSkipUnknownError timerStopEnqueue timerWheelEnable timerWheelSnapshotFlush \
                timerWheelSnapshotIntervalMs",
    },
    NoMeaning {
        reason: "metrics are those of this broker, exported for Prometheus only (metricsExporterType)",
        names: "accountStatsEnable accountStatsPrintZeroValues autoDeleteUnusedStats \
                commercialBaseCount commercialBigCount commercialEnable commercialSizePerMsg \
                commercialTimerCount commercialTransCount enableConnectionMetrics enableDetailStat \
                enableLagAndDlqMetrics enableLmqStats enableMessageStoreMetrics \
                enableRemotingMetrics enableRequestMetrics enableScheduleMessageStats \
                enableStatsMetrics estimateAccumulation maxStatsIdleTimeInMinutes \
                metricGrpcExporterIntervalInMills metricGrpcExporterTimeOutInMills \
                metricLoggingExporterIntervalInMills metricsExportBatchMaxDataPoints \
                metricsGrpcExporterHeader metricsGrpcExporterTarget \
                metricsInDelta metricsLabel metricsOtelCardinalityLimit \
                sampleCountThreshold sampleSteps",
    },
    NoMeaning {
        reason: "filters by property (SQL92) are not built yet; filters by tag are",
        names: "enableCalcFilterBitMap enablePropertyFilter expectConsumerNumUseFilter \
                filterDataCleanTimeSpan filterServerNums filterSupportRetry \
                maxErrorRateOfBloomFilter maxFilterMessageSize",
    },
    NoMeaning {
        reason: "old files are removed as soon as the policy and their readers allow (fileReservedTime, maxCommitLogBytes)",
        names: "cleanResourceInterval deleteCommitLogFilesInterval \
                deleteConsumeQueueFilesInterval deleteFileBatchMax \
                destroyMapedFileIntervalForcibly logicalDiskSpaceCleanForciblyThreshold \
                maxBatchDeleteFilesNum redeleteHangedFileInterval",
    },
    NoMeaning {
        reason: "storage in RocksDB is not built",
        names: "bottomMostCompressionTypeForConsumeQueueStore cleanRocksDBDirtyCQIntervalMin \
                combineAssignOffsetCQType combineCQEnableCheckSelf combineCQLoadingCQTypes \
                combineCQMaxExtraSearchCommitLogFiles combineCQPreferCQType enableRocksDBLog \
                iteratorWhenUseRocksdbConsumeQueue maxRocksDBIndexQueryDays memTableFlushIntervalMs \
                realTimePersistRocksDBConfig rocksdbCompressionType rocksdbFlushWalFrequency \
                rocksdbWalFileRollingThreshold statRocksDBCQIntervalSec \
                useSeparateStorePathForRocksdbCQ",
    },
    NoMeaning {
        reason: "compacted topics are not built",
        names: "compactionCqMappedFileSize compactionMappedFileSize compactionScheduleInternal \
                enableCompaction maxOffsetMapSize",
    },
    NoMeaning {
        reason: "control of cold reads is not built yet",
        names: "accessMessageInMemoryHotRatio accessMessageInMemoryMaxRatio cgColdReadThreshold \
                coldCtrStrategyEnable coldDataFlowControlEnable coldDataScanEnable \
                dataReadAheadEnable globalColdReadThreshold usePIDColdCtrStrategy",
    },
    NoMeaning {
        reason: "how files are written, mapped and warmed is decided by the store itself",
        names: "cleanSwapedMapInterval commitCommitLogLeastPages commitCommitLogThoroughInterval \
                commitIntervalCommitLog commitLogForceSwapMapInterval commitLogSwapMapInterval \
                commitLogSwapMapReserveFileNum debugLockEnable dispatchCqCacheNum \
                dispatchFromSenderThread enableAsyncReput enableBatchPush \
                enableBuildConsumeQueueConcurrently enableRunningFlagsInFlush \
                fastFailIfNoBufferInStorePool flushCommitLogLeastPages \
                flushCommitLogThoroughInterval flushCommitLogTimed flushConsumeQueueLeastPages \
                flushIntervalConsumeQueue \
                flushLeastPagesWhenWarmMapedFile indexFileReadEnable indexFileWriteEnable \
                logicQueueForceSwapMapInterval logicQueueSwapMapInterval \
                logicQueueSwapMapReserveFileNum mappedFileSize mappedFileSizeConsumeQueueExt \
                mappedFileSwapEnable mapperFileSizeBatchConsumeQueue maxChecksumRange \
                messageIndexEnable messageIndexSafe putConsumeQueueDataByFileChannel \
                putMsgIndexHightWater readUnCommitted recheckReputOffsetFromCq \
                searchBcqByCacheEnable sharedByteBufferNum spinLockCollisionRetreatOptimalDegree \
                topicQueueLockNum transferMsgByHeap transientStorePoolEnable \
                travelCqFileNumWhenGetMessage useABSLock wakeCommitWhenPutMessage \
                wakeFlushWhenPutMessage warmMapedFileEnable writeWithoutMmap",
    },
    NoMeaning {
        reason: "recovery checks every record from the last durable point on, always",
        names: "checkCRCOnRecover checkCommitLogOffsetOnRecover commitLogRecoverMaxNum \
                correctLogicMinOffsetForceInterval correctLogicMinOffsetSleepInterval \
                disappearTimeAfterStart diskFallRecorded enableAcceleratedRecovery \
                enableCleanExpiredOffset enableLogConsumeQueueRepeatedlyBuildWhenRecover \
                maxRecoveryCommitlogFiles recoverConcurrently",
    },
    NoMeaning {
        reason: "access control is not built yet; its settings do nothing",
        names: "aclCacheExpiredSecond aclCacheMaxNum aclCacheRefreshSecond authConfigPath \
                authenticationMetadataProvider authenticationProvider authenticationStrategy \
                authenticationWhitelist authorizationMetadataProvider authorizationProvider \
                authorizationStrategy authorizationWhitelist clusterName configName \
                initAuthenticationUser innerClientAuthenticationCredentials \
                statefulAuthenticationCacheExpiredSecond statefulAuthenticationCacheMaxNum \
                statefulAuthorizationCacheExpiredSecond statefulAuthorizationCacheMaxNum \
                tls.client.authServer tls.client.certPath tls.client.keyPassword tls.client.keyPath \
                tls.client.trustCertPath tls.config.file tls.server.keyPassword \
                tls.server.trustCertPath tls.test.mode.enable userCacheExpiredSecond userCacheMaxNum \
                userCacheRefreshSecond",
    },
    NoMeaning {
        reason: "the network layer is not Netty; buffers are bounded by maxUnsentBytesPerConnection",
        names: "channelNotActiveInterval clientChannelMaxIdleTimeSeconds clientCloseSocketIfTimeout \
                clientPooledByteBufAllocatorEnable clientSocketRcvBufSize clientSocketSndBufSize \
                connectTimeoutMillis disableCallbackExecutor disableNettyWorkerGroup \
                enableFastChannelEventProcess enableNetWorkFlowControl enableReconnectForGoAway \
                enableShutdownGracefully maxReconnectIntervalTimeSeconds scanAvailableNameSrv \
                serverNettyWorkerGroupEnable serverPooledByteBufAllocatorEnable serverSocketBacklog \
                serverSocketRcvBufSize serverSocketSndBufSize socksProxyConfig \
                useEpollNativeSelector writeBufferHighWaterMark writeBufferLowWaterMark",
    },
    NoMeaning {
        reason: "the process has no home directory of scripts and keeps its files below storePathRootDir",
        names: "abortFile brokerConfigPath clusterTest configBlackList configStorePath \
                inBrokerContainer isolateLogEnable productEnvName rocketmqHome storeCheckpoint \
                storePathConsumeQueue storePathIndex",
    },
    NoMeaning {
        reason: "name servers are given by address (namesrvAddr), not looked up",
        names: "fetchNameSrvAddrByDnsLookup fetchNamesrvAddrByAddressServer fetchNamesrvAddrInterval \
                updateNameServerAddrPeriod",
    },
    NoMeaning {
        reason: "this is always so here",
        names: "asyncSendEnable autoMessageVersionOnTopicLen clearRetryTopicWhenDeleteTopic \
                enableAllTopicList enableBroadcastOffsetStore enableCreateSysGroup \
                enableRegisterProducer enableSplitMetadata enableTopicList forceRegister \
                litePullMessageEnable realTimeNotifyConsumerChange returnOrderTopicConfigToBroker \
                splitMetadataSize useServerSideResetOffset \
                validateSystemTopicWhenUpdateTopic",
    },
    NoMeaning {
        reason: "this policy towards slow or unwanted consumers is not built",
        names: "consumerFallbehindThreshold disableConsumeIfConsumerReadSlowly highSpeedMode \
                lockInStrictMode rejectPullConsumerEnable useStaticSubscription",
    },
    NoMeaning {
        reason: "committed offsets are journalled as they come, so there is no such setting",
        names: "broadcastOffsetExpireMaxSecond broadcastOffsetExpireSecond \
                consumerOffsetUpdateVersionStep delayOffsetUpdateVersionStep \
                flushConsumerOffsetHistoryInterval persistConsumerOffsetIncrementally",
    },
    NoMeaning {
        reason: "a broker registers all its topics at once, uncompressed, and a changed topic by itself",
        names: "compressedRegister deleteTopicWithBrokerRegistration enableSingleTopicRegister \
                enableSplitRegistration needWaitForService orderMessageEnable splitRegistrationSize \
                waitSecondsForService",
    },
    NoMeaning {
        reason: "the limit is a fixed one here",
        names: "defaultQueryMaxNum forwardTimeout maxConsumeQueueScan \
                maxDelayTime maxTopicLength pullBatchMaxMessageCount",
    },
    NoMeaning {
        reason: "topics named after the cluster and the broker are not created",
        names: "brokerTopicEnable clusterTopicEnable",
    },
    NoMeaning {
        reason: "the topic for traces is RMQ_SYS_TRACE_TOPIC",
        names: "msgTraceTopicName",
    },
    NoMeaning {
        reason: "request-reply is not built yet",
        names: "storeReplyMessageEnable",
    },
    NoMeaning {
        reason: "this kind of queues or messages is not built",
        names: "bitMapLengthConsumeQueueExt enableLmqQuota enableMixedMessageType \
                maxLmqConsumeQueueNum",
    },
    NoMeaning {
        reason: "delayed messages are delivered by one task per level",
        names: "enableScheduleAsyncDeliver scheduleAsyncDeliverMaxPendingLimit \
                scheduleAsyncDeliverMaxResendNum2Blocked",
    },
    NoMeaning {
        reason: "`mainstem status` and the log show the clients",
        names: "printChannelGroups printChannelGroupsMinNum",
    },
    NoMeaning {
        reason: "a client leaves its groups with its connection or after channelExpiredTimeout",
        names: "subscriptionExpiredTimeout",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::unsupported;

    #[test]
    fn no_key_is_in_two_lists() {
        let mut all: Vec<&str> = names().chain(unsupported::names()).collect();
        all.sort_unstable();
        let before = all.len();
        all.dedup();
        assert_eq!(all.len(), before);
        for name in all {
            assert!(
                keys::find(Role::Broker, name).is_none(),
                "{name} has a meaning for the broker"
            );
        }
    }
}
